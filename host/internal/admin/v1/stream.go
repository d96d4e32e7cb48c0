package v1

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"idlehost/host/internal/api"
)

// gather is how long decisions may wait to be sent together with others. The
// first after a quiet while does not wait.
const gather = 50 * time.Millisecond

// stream writes decisions as they come.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	events  bool        // server-sent events, not lines
	flush   *time.Timer // fires when what has been gathered is due

	mu      sync.Mutex // guards the following fields, and writing
	flushed time.Time  // when something was sent last
	waits   bool       // something is gathered
	due     time.Time  // the deadline that is set
	line    []byte     // the last that was written, to be used again
	err     error      // that writing ended with
}

func newStream(w http.ResponseWriter, events bool) *stream {
	s := &stream{w: w, control: http.NewResponseController(w), events: events, flush: time.NewTimer(time.Hour)}
	s.flush.Stop()
	return s
}

// open sends the head, so that the reader knows that it is listening.
func (s *stream) open() {
	h := s.w.Header()
	h.Set("Content-Type", linesType)
	if s.events {
		h.Set("Content-Type", eventsType)
	}
	h.Set("X-Accel-Buffering", "no") // proxies: do not gather
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline()
	s.w.WriteHeader(http.StatusOK)
	s.flushLocked()
}

// send writes a decision.
func (s *stream) send(d api.Decision) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events {
		s.line = append(append(append(s.line[:0], "event: decision\ndata: "...), text...), "\n\n"...)
	} else {
		s.line = append(append(s.line[:0], text...), '\n')
	}
	s.writeLocked(s.line)
	if s.waits || s.err != nil {
		return s.err
	}
	if time.Since(s.flushed) < gather {
		s.waits = true
		s.flush.Reset(gather)
		return nil
	}
	s.flushLocked()
	return s.err
}

// keep sends what was gathered, and in quiet times signs of life. It returns
// when ctx or the server is done, the caller may not stay or nobody reads. What
// is gathered then is sent by whoever waits for it.
func (s *stream) keep(ctx context.Context, draining <-chan struct{}, mayStay func() bool) {
	look := time.NewTicker(recheck)
	defer look.Stop()
	defer s.flush.Stop()
	for !s.broken() {
		select {
		case <-ctx.Done():
			return
		case <-draining:
			return
		case <-s.flush.C:
			s.pulse(false)
		case <-look.C:
			if !mayStay() {
				return
			}
			s.pulse(true)
		}
	}
}

// pulse sends what has been gathered; and if nothing was sent for a while, a
// sign of life: an empty line, or a comment.
func (s *stream) pulse(alive bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	quiet := time.Since(s.flushed) >= recheck
	switch {
	case alive && quiet && s.events:
		s.writeLocked([]byte(":\n\n"))
	case alive && quiet:
		s.writeLocked([]byte("\n"))
	case !s.waits:
		return
	}
	s.flushLocked()
}

func (s *stream) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

func (s *stream) writeLocked(p []byte) {
	if s.err == nil {
		s.deadline()
		_, s.err = s.w.Write(p)
	}
}

func (s *stream) flushLocked() {
	if s.err == nil {
		s.deadline()
		s.err = s.control.Flush()
	}
	s.waits, s.flushed = false, time.Now()
}

// deadline gives the reader patience to take what is written now, up to a
// tenth less: not all time that the stream lasts. Setting a deadline for every
// line would cost more than the line. Recorders of tests have no deadlines.
func (s *stream) deadline() {
	now := time.Now()
	if s.due.Sub(now) > patience-patience/10 {
		return
	}
	s.due = now.Add(patience)
	_ = s.control.SetWriteDeadline(s.due)
}
