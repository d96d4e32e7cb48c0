package h2

import "time"

// A client may reset resetsAtOnce streams at once before they are answered, and
// one more each resetEvery. Each has cost a handler, and perhaps an upstream,
// work for nothing (CVE-2023-44487, rapid reset): a client that resets faster is
// read more slowly.
const (
	resetsAtOnce = 100
	resetEvery   = 5 * time.Millisecond
	// longestWait bounds one wait, at the end of which the reader looks at its
	// connection again.
	longestWait = time.Second
)

// resets paces the streams that a client resets. The zero value has all of
// resetsAtOnce left.
type resets struct {
	paid time.Time // when all that have come so far would have come at that rate
}

// note counts one that has come at now.
func (r *resets) note(now time.Time) {
	if earliest := now.Add(-resetsAtOnce * resetEvery); r.paid.Before(earliest) {
		r.paid = earliest
	}
	r.paid = r.paid.Add(resetEvery)
}

// wait returns for how long the client is ahead of its rate at now.
func (r *resets) wait(now time.Time) time.Duration { return max(r.paid.Sub(now), 0) }

// pace has the reader wait for as long as the client is ahead.
func (h *Conn) pace() {
	if h.resets.paid.IsZero() {
		return
	}
	d := min(h.resets.wait(time.Now()), longestWait)
	if d == 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-h.session.ctx.Done():
	}
}
