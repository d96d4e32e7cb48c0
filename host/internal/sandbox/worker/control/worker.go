package control

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"idlehost/host/internal/sandbox/engine"
)

// Worker is a worker's end. Next is for one goroutine; the rest is safe for
// concurrent use.
type Worker struct {
	conn io.ReadWriteCloser
	in   *reader
	out  chan []byte   // frames; closed by Close
	sent chan struct{} // closed when nothing is written any more

	dropped atomic.Int64 // lines, because the host does not read as fast
	mu      sync.RWMutex // guards closed; held for reading while a frame is put into out
	closed  bool
}

// queued is how many frames wait to be written.
const queued = 256

// NewWorker speaks with the host at the other end of conn.
func NewWorker(conn io.ReadWriteCloser) *Worker {
	w := &Worker{conn: conn, in: newReader(conn, maxRequest), out: make(chan []byte, queued), sent: make(chan struct{})}
	go w.write()
	return w
}

// Request is what the host wants: one of Load, Unload and State.
type Request struct {
	id    uint32
	Guest uint32
	// Load is the policy to be loaded; its Wasm is nil where the worker has
	// the code.
	Load    *engine.Prepared
	Learned engine.State // beside Load
	Unload  bool
	State   bool
}

// Next waits for the next request. The error is io.EOF when the host has gone.
func (w *Worker) Next() (Request, error) {
	k, f, err := w.in.next(true)
	if err != nil {
		return Request{}, err
	}
	var r Request
	switch k {
	case kindLoad:
		r = Request{id: f.u32(), Guest: f.u32()}
		if r.Learned, err = takeState(&f); err != nil {
			return Request{}, err
		}
		r.Load = takePrepared(&f)
	case kindState:
		r = Request{id: f.u32(), Guest: f.u32(), State: true}
	case kindUnload:
		r = Request{Guest: f.u32(), Unload: true}
	default:
		return Request{}, fmt.Errorf("frame of kind %d", k)
	}
	if !f.done() {
		return Request{}, fmt.Errorf("frame of kind %d has another length", k)
	}
	return r, nil
}

// Ready is what a worker says first: what its confinement lacks.
func (w *Worker) Ready(warning string) {
	w.send(finish(putBytes(newFrame(kindReady), warning[:min(len(warning), 2048)])), true)
}

// Fault tells what a question of a guest has failed of. Where the host does not
// read, it is dropped.
func (w *Worker) Fault(guest uint32, err error) {
	w.send(finish(putError(put32(newFrame(kindFault), guest), err)), false)
}

// Loaded answers a load.
func (w *Worker) Loaded(r Request, l Loaded, err error) {
	w.send(finish(putLoaded(putError(put32(newFrame(kindLoaded), r.id), err), l)), true)
}

// State answers what a guest has learned. there: it exists.
func (w *Worker) State(r Request, s engine.State, there bool) {
	w.send(finish(putState(putBool(put32(newFrame(kindState), r.id), there), s)), true)
}

// Line tells what a guest says. It does not wait: where the host does not read,
// lines are dropped.
func (w *Worker) Line(guest uint32, level int, msg string) {
	if n := w.dropped.Swap(0); n > 0 && !w.line(guest, 2, fmt.Sprintf("%d lines of this worker dropped", n)) {
		w.dropped.Add(n)
	}
	if !w.line(guest, level, msg) {
		w.dropped.Add(1)
	}
}

func (w *Worker) line(guest uint32, level int, msg string) bool {
	b := append(put32(newFrame(kindLine), guest), byte(level))
	return w.send(finish(putBytes(b, msg)), false)
}

// send queues a frame, and reports whether there was room.
func (w *Worker) send(frame []byte, wait bool) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return false
	}
	if wait {
		w.out <- frame
		return true
	}
	select {
	case w.out <- frame:
		return true
	default:
		return false
	}
}

// write writes what is queued, in order, and together what is there at a time: each
// write wakes the host.
func (w *Worker) write() {
	defer close(w.sent)
	var failed bool
	for frame := range w.out {
		for n := len(w.out); n > 0 && len(frame) < joined; n-- {
			frame = append(frame, <-w.out...)
		}
		if !failed {
			_, err := w.conn.Write(frame)
			failed = err != nil // Next says why
		}
	}
}

// joined is the size from which frames are written without those that follow.
const joined = 4096

// Close writes what is queued, and closes the connection. Idempotent.
func (w *Worker) Close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.out)
	}
	w.mu.Unlock()
	<-w.sent
	return w.conn.Close()
}
