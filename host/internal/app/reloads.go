package app

import (
	"context"
	"sync"
	"time"
)

// reloads runs one reload at a time beside its owner, who looks at done and
// next, and tries again what failed for want of means: after a second, and ever
// later.
type reloads struct {
	reload func(ctx context.Context) error // reads the configuration and puts it in force
	retry  func(ctx context.Context)
	due    func() bool   // a try is due
	done   chan struct{} // a reload has ended
	next   *time.Timer   // a try is due
	cancel context.CancelFunc
	wg     sync.WaitGroup

	running bool
	asked   bool // for another while one runs
	failed  int  // in a row
}

const (
	retryFirst = time.Second
	retryLast  = 5 * time.Minute
)

func newReloads(reload func(context.Context) error, retry func(context.Context), due func() bool) *reloads {
	r := &reloads{reload: reload, retry: retry, due: due, done: make(chan struct{}, 1), next: time.NewTimer(time.Hour), cancel: func() {}}
	r.next.Stop()
	return r
}

// ask begins a reload, now or after the one that runs.
func (r *reloads) ask(ctx context.Context) {
	r.failed = 0
	if r.running {
		r.asked = true
		return
	}
	// A reload that fails has been logged and counted; what runs goes on.
	r.begin(ctx, func(ctx context.Context) { _ = r.reload(ctx) })
}

func (r *reloads) begin(ctx context.Context, reload func(context.Context)) {
	r.next.Stop()
	r.running = true
	ctx, r.cancel = context.WithCancel(ctx)
	r.wg.Go(func() {
		reload(ctx)
		r.done <- struct{}{}
	})
}

// ended goes on after a reload.
func (r *reloads) ended(ctx context.Context) {
	r.cancel()
	r.running = false
	switch {
	case r.asked:
		r.asked = false
		r.ask(ctx)
	case r.due():
		r.next.Reset(min(retryFirst<<min(r.failed, 16), retryLast))
		r.failed++
	}
}

// stop ends the reload that runs, and waits for it. Idempotent.
func (r *reloads) stop() {
	r.next.Stop()
	r.cancel()
	r.wg.Wait()
}
