package upstream

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Error says which upstream failed, and what its connection was doing.
type Error struct {
	Target string
	Phase  policy.Phase
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("upstream %s (%s): %v", e.Target, e.Phase, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// retries bounds how often a request whose connection was ended under it is
// sent again. Only a storm of ends could need more than one.
const retries = 8

// RoundTrip sends a request whose context is an Exchange, with the URL as the
// client asked for it, and returns the answer. It owns req: the URL is pointed
// at a target. A body must survive Close, for it is used again when nothing of
// it was read; Exchange.Touched tells.
//
// A request is repeated when no byte of it has left this host, and one that
// does no harm when its connection had served another and broke unanswered.
func (g *Group) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	if x == nil {
		return nil, fmt.Errorf("upstream: request without an exchange")
	}
	req = x.trace(req)
	asked := *req.URL
	first, elsewhere := g.first(), 0
	for attempt := 0; ; attempt++ {
		t := g.at(first, elsewhere)
		if t.h1 == nil && t.h2 == nil {
			return nil, &Error{Target: t.String(), Err: ErrNoTarget}
		}
		x.attempt(t)
		t.aim(req.URL, &asked)
		res, err := t.send(x, req, attempt > 1)
		if err == nil {
			return res, nil
		}
		again, other := x.unsent(req, err)
		phase := x.phase()
		x.endStream()
		switch {
		case req.Context().Err() != nil || x.Touched.Load():
		case again && attempt < retries && x.rest(attempt):
			continue
		case other && elsewhere < len(g.targets)-1:
			elsewhere++
			continue
		}
		return nil, &Error{Target: t.String(), Phase: phase, Err: err}
	}
}

// rest gives HTTP/2's transport time to notice that a connection is gone: one
// leaves its pool only when its reader has seen the end. It reports whether
// the request is still wanted.
func (x *Exchange) rest(attempt int) bool {
	x.mu.Lock()
	h2 := x.h2
	x.mu.Unlock()
	if !h2 || attempt == 0 {
		return true
	}
	t := time.NewTimer(time.Millisecond << attempt)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.Done():
		return false
	}
}

// attempt notes that t is tried next.
func (x *Exchange) attempt(t *target) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.target, x.conn, x.h2, x.refused, x.reused, x.begun = t, nil, false, false, false, false
}

// send makes one attempt. fresh asks for a new connection where that makes a
// difference.
func (t *target) send(x *Exchange, req *http.Request, fresh bool) (res *http.Response, err error) {
	if c := t.via(req); c != nil {
		res, err = c.RoundTrip(&x.call, req, (*owner)(x), fresh)
	} else if res, err = t.h2.RoundTrip(req); err == nil {
		x.head(res)
	}
	if err == nil {
		x.watch(res)
	}
	return res, err
}

// head looks at the header section of an answer.
func (x *Exchange) head(res *http.Response) {
	c := x.Conn()
	if c == nil {
		return
	}
	if v := res.Header["Keep-Alive"]; len(v) > 0 {
		c.SetHint(keepAlive(v))
	}
	if c.Phase() == abi.PhaseBody { // answered before the content was all read
		c.SetPhase(abi.PhaseWrite)
	}
}

// watch follows the answer's content to its end.
func (x *Exchange) watch(res *http.Response) {
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
	case res.Body == nil || res.Body == http.NoBody:
		x.endStream()
	default:
		x.body.ReadCloser, x.body.x = res.Body, x
		res.Body = &x.body
	}
}

// hintMargin is how much sooner than announced a connection is given up: a
// request sent on it at the last moment still has to travel.
const hintMargin = time.Second

// keepAlive reads timeout=N, in seconds, from a Keep-Alive header (RFC 2068
// section 19.7.1.1). 0: none. A timeout within the margin counts as 1 ms,
// since nothing is safe then.
func keepAlive(values []string) time.Duration {
	for _, v := range values {
		for p := range strings.SplitSeq(v, ",") {
			name, n, ok := strings.Cut(strings.TrimSpace(p), "=")
			if !ok || !strings.EqualFold(strings.TrimSpace(name), "timeout") {
				continue
			}
			s, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(n), `"`), 10, 31)
			if err != nil {
				continue
			}
			return max(time.Duration(s)*time.Second-hintMargin, time.Millisecond)
		}
	}
	return 0
}
