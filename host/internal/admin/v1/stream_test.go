package v1_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
)

// reader is who reads a stream: it notes what has been flushed to it, and when.
type reader struct {
	header http.Header
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex // guards the following fields
	status   int
	pending  string
	got      []string // flushes
	deadline time.Time
	broken   bool
}

func (r *reader) Header() http.Header { return r.header }

func (r *reader) WriteHeader(status int) { r.mu.Lock(); r.status = status; r.mu.Unlock() }

func (r *reader) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken || !r.deadline.After(time.Now()) {
		return 0, errors.New("broken pipe")
	}
	r.pending += string(b)
	return len(b), nil
}

func (r *reader) FlushError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, r.pending)
	r.pending = ""
	return nil
}

func (r *reader) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	r.deadline = t
	r.mu.Unlock()
	return nil
}

// flushes returns what has come since the last call.
func (r *reader) flushes() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func (r *reader) ended() bool {
	synctest.Wait()
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// theatre is a handler, and decisions that are sent by hand.
type theatre struct {
	*house
	handler  *v1.Handler
	who      atomic.Pointer[api.Actor] // nil: nobody is let in
	draining chan struct{}
	made     chan api.Decision
}

func newTheatre() *theatre {
	h := newHouse()
	s := &theatre{house: h, handler: v1.New(v1.Config{Service: h, Rate: -1}), draining: make(chan struct{}), made: make(chan api.Decision)}
	s.who.Store(&api.Actor{Tenant: "shop"})
	h.decisions = func(ctx context.Context, send func(api.Decision) error) error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case d, ok := <-s.made:
				if !ok {
					return api.NewProblem(api.KindNotFound, "the tenant was removed")
				}
				if err := send(d); err != nil {
					return err
				}
			}
		}
	}
	return s
}

func (s *theatre) authenticate(*http.Request) (api.Actor, error) {
	if who := s.who.Load(); who != nil {
		return *who, nil
	}
	return api.Actor{}, api.NewProblem(api.KindUnauthorized, "revoked")
}

// read opens a stream.
func (s *theatre) read(accept string) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{header: http.Header{}, cancel: cancel, done: make(chan struct{})}
	req := httptest.NewRequest("GET", "/v1/tenants/shop/decisions", nil).WithContext(ctx)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	serve := s.handler.Serve(v1.Access{Authenticate: s.authenticate, Draining: s.draining})
	go func() {
		defer close(r.done)
		serve.ServeHTTP(r, req)
	}()
	synctest.Wait()
	return r
}

const line = `{"at":"2026-11-22T10:00:00Z","conn":77,"client":"a41c","event":"timeout","phase":"idle","side":"accepted","protocol":"http2",` +
	`"idle_ms":0,"action":"extend","deadline_ms":30000,"reason":0,"source":"policy","role":"active","took_ns":940}`

func TestStreamOfLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		r := s.read("")
		if got := r.flushes(); len(got) != 1 || got[0] != "" || r.status != 200 || r.header.Get("Content-Type") != "application/x-ndjson" {
			t.Fatalf("the head: %q, %d, %v", got, r.status, r.header)
		}
		time.Sleep(v1.Gather)
		s.made <- decision
		if got := r.flushes(); len(got) != 1 || got[0] != line+"\n" {
			t.Errorf("the first: %q, want at once %q", got, line)
		}
		s.made <- decision
		s.made <- decision
		time.Sleep(v1.Gather - time.Nanosecond)
		if got := r.flushes(); len(got) != 0 {
			t.Errorf("gathered too shortly: %q", got)
		}
		time.Sleep(time.Nanosecond)
		if got := r.flushes(); len(got) != 1 || got[0] != line+"\n"+line+"\n" {
			t.Errorf("gathered: %q", got)
		}
		if r.cancel(); !r.ended() {
			t.Error("goes on without its reader")
		}
	})
}

// TestStreamShowsThatItLives, and only when it is quiet.
func TestStreamShowsThatItLives(t *testing.T) {
	for accept, sign := range map[string]string{"": "\n", "text/event-stream": ":\n\n"} {
		synctest.Test(t, func(t *testing.T) {
			s := newTheatre()
			r := s.read(accept)
			r.flushes()
			time.Sleep(v1.Recheck - time.Nanosecond)
			if got := r.flushes(); len(got) != 0 {
				t.Errorf("too early: %q", got)
			}
			time.Sleep(time.Nanosecond)
			if got := r.flushes(); len(got) != 1 || got[0] != sign {
				t.Errorf("after %s: %q, want %q", v1.Recheck, got, sign)
			}
			time.Sleep(v1.Recheck - time.Second)
			s.made <- decision
			r.flushes()
			time.Sleep(time.Second)
			if got := r.flushes(); len(got) != 0 {
				t.Errorf("a second after a decision: %q", got)
			}
			r.mu.Lock()
			r.broken = true
			r.mu.Unlock()
			if time.Sleep(v1.Recheck); !r.ended() {
				t.Error("goes on after its reader has gone without a word")
			}
		})
	}
}

func TestStreamOfEvents(t *testing.T) {
	for accept, want := range map[string]string{
		"text/event-stream":                                "event: decision\ndata: " + line + "\n\n",
		"text/event-stream, application/x-ndjson;q=0.5":    "event: decision\ndata: " + line + "\n\n",
		"text/event-stream;q=0.5, application/x-ndjson":    line + "\n",
		"text/event-stream;q=0":                            line + "\n",
		"*/*":                                              line + "\n",
		"application/x-ndjson, application/problem+json":   line + "\n",
		"text/html, nonsense;;, text/event-stream;q=wrong": line + "\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newTheatre()
			r := s.read(accept)
			r.flushes()
			time.Sleep(time.Second)
			s.made <- decision
			if got := strings.Join(r.flushes(), ""); got != want {
				t.Errorf("%s: %q", accept, got)
			}
			r.cancel()
			r.ended()
		})
	}
}

// TestStreamsEnd: when the server drains, the tenant is removed, or the token
// is no longer good.
func TestStreamsEnd(t *testing.T) {
	for name, end := range map[string]func(*theatre){
		"drained":             func(s *theatre) { close(s.draining) },
		"removed":             func(s *theatre) { close(s.made) },
		"revoked":             func(s *theatre) { s.who.Store(nil); time.Sleep(v1.Recheck) },
		"for another tenant":  func(s *theatre) { s.who.Store(&api.Actor{Tenant: "bank"}); time.Sleep(v1.Recheck) },
		"its last word is in": func(s *theatre) { s.made <- decision; s.made <- decision; close(s.draining) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTheatre()
				r := s.read("")
				time.Sleep(v1.Recheck / 2)
				if r.ended() {
					t.Fatal("ended before anything happened")
				}
				if end(s); !r.ended() {
					t.Error("goes on")
				}
				if got := strings.Join(r.flushes(), ""); name == "its last word is in" && strings.Count(got, line) != 2 {
					t.Errorf("got %q", got)
				}
				r.cancel()
			})
		})
	}
}

// TestStreamsAreCounted: for each tenant, and for operators apart.
func TestStreamsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		var open []*reader
		for range 8 {
			open = append(open, s.read(""))
		}
		ninth := s.read("")
		time.Sleep(v1.Refusal - 1)
		if ninth.ended() {
			t.Error("a refusal is not held back")
		}
		time.Sleep(1)
		if !ninth.ended() || ninth.status != 429 || ninth.header.Get("Retry-After") != "15" {
			t.Errorf("a ninth stream: %d", ninth.status)
		}
		s.who.Store(&api.Actor{Operator: true})
		boss := s.read("")
		if boss.ended() || boss.status != 200 {
			t.Errorf("an operator's: %d", boss.status)
		}
		open[0].cancel()
		open[0].ended()
		s.who.Store(&api.Actor{Tenant: "shop"})
		if again := s.read(""); again.status != 200 {
			t.Errorf("after one has ended: %d", again.status)
		} else {
			open = append(open, again)
		}
		for _, r := range append(open, boss) {
			r.cancel()
			r.ended()
		}
	})
}

// TestSlowReadersHoldNothingUp: a write that does not end has a deadline.
func TestSlowReadersHoldNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		r := s.read("")
		time.Sleep(time.Hour)
		s.made <- decision
		synctest.Wait()
		r.mu.Lock()
		left := time.Until(r.deadline)
		r.mu.Unlock()
		if left <= 0 || left > 10*time.Second {
			t.Errorf("a write may take %s", left)
		}
		r.cancel()
		r.ended()
	})
}

// TestTheDeadlineOfAStreamRolls: whoever reads has nine seconds for each write at
// the least, and ten at most, for as long as the stream lasts.
func TestTheDeadlineOfAStreamRolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTheatre()
		r := s.read("")
		for i := range 100 {
			time.Sleep(time.Duration(i) * 37 * time.Millisecond)
			s.made <- decision
			synctest.Wait()
			r.mu.Lock()
			left := time.Until(r.deadline)
			r.mu.Unlock()
			if left < 9*time.Second || left > 10*time.Second {
				t.Fatalf("write %d may take %s", i, left)
			}
		}
		r.cancel()
		r.ended()
	})
}

// TestStreamsHammered: readers come and go while decisions are made, and none
// is lost or torn.
func TestStreamsHammered(t *testing.T) {
	g := newRig(t)
	var sent atomic.Uint64
	g.decisions = func(ctx context.Context, send func(api.Decision) error) error {
		for ctx.Err() == nil {
			d := decision
			d.Conn = sent.Add(1)
			if err := send(d); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	go g.server.Serve()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 2 {
				readSome(t, g.server.Addr().String())
			}
		})
	}
	group.Wait()
	if err := g.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// readSome reads 200 lines of a stream, and leaves.
func readSome(t *testing.T, address string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/v1/tenants/shop/decisions", nil)
	r.Header.Set("Authorization", "Bearer "+shop)
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if res.StatusCode == 429 { // the one before is still ending
		return
	}
	last, scan := uint64(0), newLines(res.Body)
	for range 200 {
		d, err := scan()
		if err != nil || d.Conn <= last {
			t.Errorf("after %d: %+v, %v", last, d, err)
			return
		}
		last = d.Conn
	}
}

// newLines returns what reads the next decision of a stream.
func newLines(body io.Reader) func() (api.Decision, error) {
	lines := json.NewDecoder(body)
	return func() (d api.Decision, err error) { return d, lines.Decode(&d) }
}
