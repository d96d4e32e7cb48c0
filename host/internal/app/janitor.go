package app

import (
	"context"
	"sync"
	"time"

	"idlehost/host/internal/policy"
)

// janitor takes back canaries that do worse than the version they were to replace,
// and unloads policies that nobody asks.
type janitor struct {
	tenants *tenants
	storage *storage
	revert  func(ctx context.Context, m *tenantRuntime, canary, reason string)
	rest    time.Duration // a policy unused for that long is let go; 0: none is
	stop    context.CancelFunc
	rounds  sync.WaitGroup
}

const (
	// judgeEvery is how often canaries are looked at.
	judgeEvery = time.Second
	// restEvery is the part of rest after which unused policies are looked for.
	restEvery = 4
	// roomEvery is how often it is looked whether there is room on the disk.
	roomEvery = 5 * time.Second
)

// newJanitor returns a running janitor; close ends it. revert takes one canary back.
func newJanitor(ms *tenants, s *storage, rest time.Duration, revert func(context.Context, *tenantRuntime, string, string)) *janitor {
	ctx, stop := context.WithCancel(context.Background())
	p := &janitor{tenants: ms, storage: s, revert: revert, rest: rest, stop: stop}
	p.rounds.Go(func() { every(ctx, judgeEvery, func() { p.judge(ctx) }) })
	p.rounds.Go(func() { every(ctx, roomEvery, func() { s.reasons() }) })
	if p.rest > 0 {
		p.rounds.Go(func() { every(ctx, max(p.rest/restEvery, time.Second), p.cool) })
	}
	return p
}

// every calls f after each d until ctx is done.
func every(ctx context.Context, d time.Duration, f func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

func (p *janitor) close() {
	p.stop()
	p.rounds.Wait()
}

// judge takes back canaries that do worse, and retries loads that have failed. A
// tenant may be busy with a step for as long as a policy takes to load; canaries of
// other tenants do not wait for it.
func (p *janitor) judge(ctx context.Context) {
	for _, m := range p.tenants.all() {
		m.tenant.Retry()
		canary := m.tenant.DigestOf(policy.RoleCanary) // before it is judged: that may be another one's
		if canary == "" {
			continue
		}
		reason, worse := m.tenant.Judge()
		if worse && !m.reverting.Swap(true) {
			p.rounds.Go(func() {
				defer m.reverting.Store(false)
				p.revert(ctx, m, canary, reason)
			})
		}
	}
}

// revert takes one canary back.
func (a *App) revert(ctx context.Context, m *tenantRuntime, canary, reason string) {
	err := a.control.Revert(ctx, m.name, canary, reason)
	switch {
	case ctx.Err() != nil: // another host will see it
	case err != nil:
		a.logger.Error("canary not taken back", "tenant", m.name, "reason", reason, "error", err)
	default:
		a.metrics.Reverted()
		a.logger.Warn("canary taken back", "tenant", m.name, "policy", policy.ShortDigest(canary), "reason", reason)
	}
}

// cool unloads policies that were not asked for a while.
func (p *janitor) cool() {
	for _, m := range p.tenants.all() {
		m.tenant.Cool(p.rest)
	}
}
