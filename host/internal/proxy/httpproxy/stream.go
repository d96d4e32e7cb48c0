package httpproxy

import (
	"net/http"
	"sync"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/sdk/abi"
)

// streamWriter is the ResponseWriter of an HTTP/2 request. While a write is blocked
// by a window that the client does not open, the timeouts of phase Write apply to
// the stream.
type streamWriter struct {
	http.ResponseWriter
	x       *exchange
	stream  *idle.Stream // nil before the first write
	invited bool         // an answer 100 has been written
}

// writePiece bounds one write, so that a slow client's progress is seen. It is
// the largest DATA frame that every client takes (RFC 9113 section 4.2).
const writePiece = 16 << 10

func (w *streamWriter) Write(p []byte) (done int, err error) {
	s := w.blocking()
	defer s.SetPhase(abi.PhaseUpstream)
	for {
		piece := p[done:min(done+writePiece, len(p))]
		n, err := w.ResponseWriter.Write(piece)
		done += n
		s.Progress(n)
		if err != nil || done == len(p) {
			return done, err
		}
	}
}

// FlushError is what http.ResponseController calls.
func (w *streamWriter) FlushError() error {
	s := w.blocking()
	defer s.SetPhase(abi.PhaseUpstream)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is for handlers that ask for http.Flusher.
func (w *streamWriter) Flush() { w.FlushError() }

// Unwrap is for http.ResponseController.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// blocking begins an operation that the client may hold up.
func (w *streamWriter) blocking() *idle.Stream {
	if w.stream == nil {
		w.stream = w.x.session.conn.NewStream(abi.PhaseWrite, w.x.late.write)
	} else {
		w.stream.SetPhase(abi.PhaseWrite)
	}
	return w.stream
}

func (w *streamWriter) done() {
	if w.stream != nil {
		w.stream.Done()
	}
}

// reset ends one direction of a stream that exceeded a timeout. It calls functions
// that may wait for the server's own loop, so it runs on a goroutine of its own,
// which the handler waits for.
type reset struct {
	w http.ResponseWriter

	mu      sync.Mutex // guards the following
	over    bool       // the handler is done: w must not be used
	running sync.WaitGroup
}

// read lets the handler's reads of the content fail, so that it can answer.
func (r *reset) read() { r.start((*http.ResponseController).SetReadDeadline) }

// write resets the stream: the client does not read the answer.
func (r *reset) write() { r.start((*http.ResponseController).SetWriteDeadline) }

func (r *reset) start(set func(*http.ResponseController, time.Time) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	r.running.Add(1)
	go r.run(set)
}

func (r *reset) run(set func(*http.ResponseController, time.Time) error) {
	defer r.running.Done()
	set(http.NewResponseController(r.w), time.Unix(1, 0))
}

// wait lets nothing start any more and waits for what has.
func (r *reset) wait() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.running.Wait()
}

var (
	_ http.Flusher                              = (*streamWriter)(nil)
	_ interface{ FlushError() error }           = (*streamWriter)(nil)
	_ interface{ Unwrap() http.ResponseWriter } = (*streamWriter)(nil)
)
