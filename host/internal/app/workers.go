package app

import (
	"context"
	"fmt"
	"time"

	"idlehost/host/internal/config"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker"
	"idlehost/host/internal/sandbox/worker/child"
	"idlehost/host/internal/tenant"
)

// workerGuest is a policy in a worker process as package tenant has it.
type workerGuest struct{ *worker.Guest }

// Ask implements tenant.Remote.
func (g *workerGuest) Ask(ask *policy.Ask, to tenant.Answerer) { g.Guest.Ask(ask, to) }

// Where tells where the policy runs.
func (g *workerGuest) Where() string { return g.Kind().String() }

var _ tenant.Remote = (*workerGuest)(nil)

// openWorkers makes the pool of worker processes, where there can be any.
func (a *App) openWorkers(c *config.Config) {
	switch code := a.compiler.Capability(); {
	case a.cfg.StartWorker == nil || a.cfg.compiler != nil: // tests that do without
		return
	case !worker.Supported || !code.Apart || !code.Keeps:
		a.logger.Warn("policies run in this process: one that takes long holds up the connections of all tenants, " +
			"and an error of the compiler would be one in this process; workers need Linux, and a folder for compiled code")
		return
	}
	program := &worker.Program{
		Argv: a.cfg.StartWorker, Logger: a.logger,
		Settings: func() child.Settings {
			b := a.engine.Budgets()
			return child.Settings{
				Code: a.compiler.Dir(), MemoryPages: policyPages,
				CallFuel: b.Call, ConfigureFuel: b.Configure, InitFuel: b.Init,
			}
		},
	}
	watcher := &watcher{spoiled: a.spoiled}
	a.workers = worker.New(worker.Config{
		Engine: a.engine, Start: program.Start, Shared: c.Worker.Processes, Logger: a.logger, Observer: watcher,
	})
	watcher.metrics = a.metrics.WatchWorkers(a.lookAtWorkers)
}

// lookAtWorkers is for the metrics.
func (a *App) lookAtWorkers() (list []observe.Workers) {
	for _, l := range a.workers.Look() {
		list = append(list, observe.Workers{Kind: l.Kind.String(), Processes: l.Processes, Policies: l.Guests, Waiting: l.Waiting})
	}
	return list
}

// loadApart loads a policy in a worker.
func (h *hosting) loadApart(ctx context.Context, src engine.Source, name string, own bool) (tenant.Guest, error) {
	g, err := h.workers.Load(ctx, src, worker.Options{Tenant: name, Own: own})
	if err != nil {
		return nil, err
	}
	return &workerGuest{g}, nil
}

// loadHere loads a policy in this process.
func (h *hosting) loadHere(ctx context.Context, src engine.Source) (tenant.Guest, error) {
	p, err := h.engine.Load(ctx, src)
	if err != nil {
		return nil, err
	}
	return &guest{p}, nil
}

// watcher is told what becomes of workers.
type watcher struct {
	// spoiled is told of a policy that has ended its worker, or may have.
	spoiled func(g *worker.Guest, why worker.Ending, proven bool)
	metrics *observe.WorkerMetrics
}

// Batch implements worker.Observer.
func (w *watcher) Batch(k worker.Kind, questions int) { w.metrics.Batch(k.String(), questions) }

// Asked implements worker.Observer.
func (w *watcher) Asked(tenant string, cpu time.Duration) { w.metrics.Asked(tenant, cpu) }

// Moved implements worker.Observer.
func (w *watcher) Moved(_ *worker.Guest, to worker.Kind, _ string) { w.metrics.Moved(to.String()) }

// Ended implements worker.Observer.
func (w *watcher) Ended(k worker.Kind, why worker.Ending, spoiler *worker.Guest, proven bool) {
	w.metrics.Ended(k.String(), why.String())
	if spoiler != nil {
		w.spoiled(spoiler, why, proven)
	}
}

// spoiled puts a policy that ends its worker down in the audit log of its
// tenant, and takes a canary back, once that is proven.
func (a *App) spoiled(spoiler *worker.Guest, why worker.Ending, proven bool) {
	if a.state.Load() == starting {
		return
	}
	name, digest := spoiler.Tenant(), spoiler.Digest()
	reason := fmt.Sprintf("it ended its worker: %s", why)
	if !proven {
		reason = fmt.Sprintf("it may have ended its worker, and is set apart: %s", why)
	}
	a.inBackground(func(ctx context.Context) {
		if err := a.control.Spoiled(ctx, name, digest, reason); err != nil && ctx.Err() == nil {
			a.logger.Error("audit entry not kept", "tenant", name, "policy", policy.ShortDigest(digest), "error", err)
		}
		if m := a.tenants.get(name); proven && m != nil && m.tenant.DigestOf(policy.RoleCanary) == digest {
			a.revert(ctx, m, digest, reason)
		}
	})
}

// inBackground has f done in the background, until Close, which waits for it.
func (a *App) inBackground(f func(ctx context.Context)) {
	a.background.mu.Lock()
	defer a.background.mu.Unlock()
	if !a.background.closed {
		a.background.running.Go(func() { f(a.life) })
	}
}

var _ worker.Observer = (*watcher)(nil)
