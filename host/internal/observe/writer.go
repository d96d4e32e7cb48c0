package observe

import (
	"io"
	"sync"
	"time"
)

// Writer is a bounded queue in front of the log: a pipe that nobody reads must not
// hold up a connection. A line that does not fit is dropped and counted. Lines
// leave in the order in which they came. No tenant's lines can fill the queue: a
// tenant may use as much of it as all tenants have left free, and the host has a
// part of its own. Create it with NewWriter.
type Writer struct {
	out  io.Writer
	wake chan struct{} // holds at most one
	done chan struct{} // closed when run has returned

	mu       sync.Mutex // guards the following fields
	queue    []byte
	spare    []byte // the queue that was written last, to be used again
	free     int    // bytes of tenantBytes that no tenant's lines take
	byTenant map[string]*tenantLines
	closed   bool
}

// tenantLines counts a tenant's lines; tenant "" is the host itself.
type tenantLines struct {
	queued  int    // bytes in the queue
	missed  uint64 // lines dropped since the last that was queued
	dropped uint64 // lines, ever
}

// The bounds of lines that wait to be written: those of all tenants together, and
// the host's own.
const (
	tenantBytes = 1 << 20
	hostBytes   = 1 << 19
)

// NewWriter returns a Writer in front of out. Close stops its goroutine.
func NewWriter(out io.Writer) *Writer {
	w := &Writer{
		out: out, wake: make(chan struct{}, 1), done: make(chan struct{}),
		free: tenantBytes, byTenant: map[string]*tenantLines{"": {}},
	}
	go w.run()
	return w
}

// Write queues p, a whole line of the host's own. It never blocks and never
// fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.put("", p)
	return len(p), nil
}

// put queues a line, of a tenant or the host itself, and returns how many of
// its lines were dropped since the last one. ok is false if this one is, too.
// It never blocks.
func (w *Writer) put(tenant string, p []byte) (missed uint64, ok bool) {
	w.mu.Lock()
	s := w.byTenant[tenant]
	if s == nil {
		s = new(tenantLines)
		w.byTenant[tenant] = s
	}
	room := w.free - s.queued
	if tenant == "" {
		room = hostBytes - s.queued
	}
	if ok = !w.closed && len(p) <= room; ok {
		w.queue = append(w.queue, p...)
		s.queued += len(p)
		if tenant != "" {
			w.free -= len(p)
		}
		missed, s.missed = s.missed, 0
	} else {
		s.missed++
		s.dropped++
	}
	w.mu.Unlock()
	w.wakeUp()
	return missed, ok
}

// restoreMissed counts dropped lines again, because the line that was to tell of
// them was dropped too.
func (w *Writer) restoreMissed(tenant string, missed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.byTenant[tenant]; s != nil {
		s.missed += missed
	}
}

// Dropped returns how many lines were dropped, by tenant; "" is the host.
func (w *Writer) Dropped() map[string]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	by := make(map[string]uint64, len(w.byTenant))
	for tenant, s := range w.byTenant {
		if s.dropped > 0 || tenant == "" {
			by[tenant] = s.dropped
		}
	}
	return by
}

// Forget gives up what is kept of a tenant that was removed.
func (w *Writer) Forget(tenant string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.byTenant[tenant]; s != nil && tenant != "" {
		w.free += s.queued // what is queued of it is soon written
		delete(w.byTenant, tenant)
	}
}

// Close writes what is queued, and gives up after a second if nobody reads
// it. Later lines are dropped. Idempotent.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.wakeUp()
	limit := time.NewTimer(time.Second)
	defer limit.Stop()
	select {
	case <-w.done:
	case <-limit.C:
	}
	return nil
}

func (w *Writer) wakeUp() {
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

// swap takes the queue; the batch before it is free to be filled again. An entry
// without a dropped line is not kept: tenants come and go.
func (w *Writer) swap() (batch []byte, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch, w.queue = w.queue, w.spare[:0]
	w.spare, w.free = batch, tenantBytes
	for tenant, s := range w.byTenant {
		if s.queued = 0; s.dropped == 0 && tenant != "" {
			delete(w.byTenant, tenant)
		}
	}
	return batch, w.closed
}
