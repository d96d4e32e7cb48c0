package observe

import (
	"io"
	"sync"
	"time"
)

// Writer puts a bounded queue between those who log and what reads the log:
// a pipe that nobody reads must not hold up a connection. What does not fit
// is dropped and counted. Create it with NewWriter.
type Writer struct {
	out  io.Writer
	wake chan struct{} // holds at most one
	done chan struct{} // closed when run has returned

	mu      sync.Mutex // guards the following fields
	queue   []byte
	spare   []byte // the queue that was written last, to be used again
	dropped uint64
	closed  bool
}

// queueBytes bounds what waits to be written.
const queueBytes = 1 << 20

// NewWriter returns a Writer in front of out. Close stops its goroutine.
func NewWriter(out io.Writer) *Writer {
	w := &Writer{out: out, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Write queues p, a whole line. It never blocks and never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.closed || len(w.queue)+len(p) > queueBytes {
		w.dropped++
	} else {
		w.queue = append(w.queue, p...)
	}
	w.mu.Unlock()
	w.nudge()
	return len(p), nil
}

// Dropped returns how many lines were dropped.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Close writes what is queued, and gives up after a second if nobody reads
// it. Later lines are dropped. Idempotent.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.nudge()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-w.done:
	case <-patience.C:
	}
	return nil
}

func (w *Writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run writes until the queue is empty and closed. Close waits for it.
func (w *Writer) run() {
	defer close(w.done)
	for range w.wake {
		for {
			batch, closed := w.swap()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			// There is nowhere left to report the failure of the log itself.
			_, _ = w.out.Write(batch)
		}
	}
}

// swap takes the queue; the batch before it is free to be filled again.
func (w *Writer) swap() (batch []byte, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch, w.queue = w.queue, w.spare[:0]
	w.spare = batch
	return batch, w.closed
}
