package worker

import (
	"context"
	"time"
)

// rested waits until the worker may use the processors for a load: what suspects
// take for theirs is a part of their tenth.
func (w *worker) rested(ctx context.Context, l *life) error {
	if w.tenth == nil {
		return nil
	}
	d := w.tenth.overdrawn(time.Now())
	if d == 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-l.process.Ended():
		return nil // the load says so
	case <-ctx.Done():
		return ctx.Err()
	case <-w.pool.life.Done():
		return ErrClosed
	}
}

// paysForLoad reports whether the guest pays for its next load. The first is its
// owner's job, which pays by itself; for others who has ended the last instance
// does, where that was not the guest.
func (g *Guest) paysForLoad() bool {
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	return g.stats.Loads > 0 && g.owedBy == nil && (g.at.kind == Suspects || g.at.kind == Own)
}

// payLoad has a load paid for, as questions are.
func (w *worker) payLoad(g *Guest, took time.Duration, pays bool) {
	if w.tenth != nil {
		w.tenth.use(time.Now(), took)
	}
	if pays && took > 0 {
		g.quota.Asked(0, took)
		w.pool.cfg.Observer.Asked(g.tenant, took)
	}
}
