package tenant

import (
	"context"
	"errors"
	"time"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/policy"
)

// loading is a load that runs, or waits at the gate. Whoever starts one waits
// for nothing; it belongs to the tenant, whose Close waits for it.
type loading struct {
	done   chan struct{} // closed after the resident has its guest, or its loss
	cancel context.CancelFunc
}

// Warm has every version of the plan loaded that has no guest, and waits for
// those whose answers count until they are there, or have failed, or ctx is
// done. A connection's own goroutine calls it before its first question. It
// counts as a use.
func (t *Tenant) Warm(ctx context.Context) {
	p := t.plan.Load()
	now := uint64(time.Now().UnixMilli())
	warm := p.active.warm(now)
	warm = p.canary.warm(now) && warm
	warm = p.shadow.warm(now) && warm
	if warm {
		return
	}
	for _, l := range t.startLoads() {
		select {
		case <-l.done:
		case <-ctx.Done():
			return
		}
	}
}

// warm reports whether the lane, if there is one, needs no load, and notes a use.
func (l *lane) warm(nowMs uint64) bool {
	if l == nil || l.resident == nil {
		return true
	}
	s := l.guest.Load()
	if s != nil {
		s.touch(nowMs)
	}
	return s != nil
}

// startLoads starts what is to be loaded, and returns the loads to wait for.
func (t *Tenant) startLoads() (all []*loading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.plan.Load()
	for _, l := range []*lane{p.active, p.canary, p.shadow} {
		if l == nil || l.resident == nil {
			continue
		}
		r := l.resident
		if t.mayStartLoadLocked(r) {
			t.startLoadLocked(r, nil)
		}
		if r.loading != nil && l.role != policy.RoleShadow {
			all = append(all, r.loading)
		}
	}
	return all
}

// tryStartLoad starts to load r, for a question that does not wait. It does
// nothing where that would have to: the question will come again.
func (t *Tenant) tryStartLoad(r *resident) {
	if t.loader == nil || !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	if !t.mayStartLoadLocked(r) {
		return
	}
	if turn, ok := t.gate.tryEnter(t.name); ok {
		t.startLoadLocked(r, turn)
	}
}

func (t *Tenant) mayStartLoadLocked(r *resident) bool {
	return t.loader != nil && !t.closed && !r.gone && r.loaded == nil && r.loading == nil && r.mayLoad()
}

// startLoadLocked starts to load r. turn is its place at the gate; nil: it has
// none yet.
func (t *Tenant) startLoadLocked(r *resident, turn *fair.Turn) {
	ctx, cancel := context.WithCancel(context.Background())
	r.loading = &loading{done: make(chan struct{}), cancel: cancel}
	t.loads.Go(func() { t.runLoad(ctx, r, turn) })
}

func (t *Tenant) runLoad(ctx context.Context, r *resident, turn *fair.Turn) {
	g, err := t.load(ctx, r, turn)
	t.mu.Lock()
	running := r.loading
	r.loading = nil
	switch {
	case r.gone: // Close has no residents either
	case err == nil && r.loaded == nil:
		if r.loss.Load() != nil {
			t.logger.Info("policy loaded, after a failure", "tenant", t.name, "policy", policy.ShortDigest(r.version.Digest))
		}
		r.settleLocked(newLoadedGuest(g, r.version.Digest, t.logger))
		for _, l := range t.plan.Load().lanes() {
			l.fillLocked()
		}
		g = nil
	case err != nil:
		r.loseLocked(t.loader.Fault(err), err.Error())
	}
	t.mu.Unlock()
	running.cancel()
	close(running.done)
	if g != nil {
		closeGuest(g, r.version.Digest, t.logger)
	}
}

var errNoGuest = errors.New("the loader returned no policy")

func (t *Tenant) load(ctx context.Context, r *resident, turn *fair.Turn) (g Guest, err error) {
	if turn == nil {
		if turn, err = t.gate.enter(ctx, t.name); err != nil {
			return nil, err
		}
	}
	begun := time.Now()
	defer func() { turn.Leave(time.Since(begun)) }()
	g, err = t.loader.Load(ctx, t.name, r.version, t.heritage(r))
	if err == nil && g == nil {
		err = errNoGuest
	}
	return g, err
}
