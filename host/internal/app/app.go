// Package app wires the rooms of the host together: it builds them from the
// configuration, runs them, reloads and drains them. Nothing else imports so
// many of them, and none of them imports app.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/admin"
	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/config"
	"idlehost/host/internal/control"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/overload"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant"
)

// Config says what an App starts from.
type Config struct {
	// Version is shown in metrics and on the admin server.
	Version string
	// Load returns the configuration, complete and checked. It is called at
	// the start and at every reload.
	Load func() (*config.Config, error)
	// compiler stands for that of package compile, in tests.
	compiler engine.Compiler
	// CompileApart starts this very program in such a way that it calls
	// compile.Child, its own name first. nil: policies are compiled in this
	// process, large ones not at all.
	CompileApart []string
	// StartWorker starts this very program in such a way that it calls
	// worker.Main with what follows, its own name first. nil: all policies run in this process.
	StartWorker []string
	// Stdout gets the few lines that tell a person what runs where.
	Stdout io.Writer
	// Stderr gets the log.
	Stderr io.Writer
}

// App is a running host. Create it with New, and run it with Run; Close ends
// one that is not run.
type App struct {
	cfg     Config
	ballast ballast

	logs       *observe.Writer
	logger     *slog.Logger
	level      *slog.LevelVar
	metrics    *observe.Metrics
	lines      *observe.Lines
	compiler   *compile.Compiler
	engine     *engine.Engine
	workers    *worker.Pool    // nil: there are none, policies run in this process
	store      store.HostStore // nil: none is configured
	storage    *storage
	tenants    *tenants
	unassigned *idle.Account // of connections whose tenant is not known yet
	governor   *idle.Governor
	recordings *recordings
	decisions  *observe.Decisions
	control    *control.Control
	api        *v1.Handler
	hosting    *hosting
	listeners  *listeners
	sweeper    *overload.Sweeper
	evictor    *overload.Evictor
	janitor    *janitor

	descriptors overload.Descriptors // of the process

	state atomic.Int32
	// refused is why the configuration that was to be in force is not; nil: it is.
	refused atomic.Pointer[error]
	// For people: where the admin server listens (nil: off).
	adminAddr atomic.Pointer[net.Addr]

	mu sync.Mutex // held through a reload; guards the following fields
	// current is the last good configuration.
	current *config.Config
	// pending is the one that was to be in force after it, and may be yet; nil:
	// there is none.
	pending *config.Config
	admin   *admin.Server // nil: off
	closed  bool

	served     sync.WaitGroup  // admin servers
	background background      // started by what happens to workers
	life       context.Context // ends with Close, and background work with it
	end        context.CancelFunc
}

// background is work that only Close waits for.
type background struct {
	running sync.WaitGroup
	mu      sync.Mutex // guards the following
	closed  bool
}

// close waits for it, and lets no more begin.
func (b *background) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.running.Wait()
}

// States of an App.
const (
	starting = iota
	serving
	draining
)

// New builds a host and binds its addresses. The error of a configuration
// that cannot be put to use, or names a policy that cannot be loaded, is a
// config.Problems; where it has a method TryAgain that returns true, it may be
// put to use another time.
func New(ctx context.Context, cfg Config) (*App, error) {
	c, err := cfg.Load()
	if err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, ballast: newBallast(), current: c}
	a.life, a.end = context.WithCancel(context.Background())
	if err := a.build(ctx, c); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) build(ctx context.Context, c *config.Config) error {
	all, err := declarations(c)
	if err != nil {
		return err
	}
	a.tenants = newTenants(c)
	for _, step := range []func() error{
		func() error { return a.observe(c) },
		func() error { return a.runGuests(ctx, c) },
		func() error { return a.openStore(c) },
		func() error { a.storage = newStorage(c, a.store, a.tenants, a.logger, a.metrics); return nil },
		func() error { return a.govern(ctx, c) },
		func() error { return a.record(c) },
		func() error { a.runTenants(); return nil },
		func() error { return a.declareAll(ctx, c, all) },
		func() error { return a.takeControl(ctx) },
		func() error { return a.openListeners(ctx, c) },
		func() error { return a.openAdmin(ctx, c) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	a.compiler.LowerPriority() // requests are served beside the children from now on
	a.janitor = newJanitor(a.tenants, a.storage, c.Tenants.RestAfter.D(), a.revert)
	return nil
}

// declareAll puts the declared tenants in force, at the start.
func (a *App) declareAll(ctx context.Context, c *config.Config, all []*declaration) error {
	arrivals, err := a.hosting.admit(ctx, c, all)
	if err != nil {
		return err
	}
	a.hosting.declare(c, arrivals)
	return nil
}

// openListeners binds the listeners.
func (a *App) openListeners(ctx context.Context, c *config.Config) error {
	a.listeners = newListeners(listenersConfig{tenants: a.tenants, governor: a.governor, unassigned: a.unassigned, logger: a.logger})
	next, err := a.listeners.prepare(ctx, c)
	if err != nil {
		return err
	}
	a.listeners.commit(next)
	return nil
}

// observe starts logging and counting.
func (a *App) observe(c *config.Config) (err error) {
	a.logs = observe.NewWriter(a.cfg.Stderr)
	if a.logger, a.level, err = observe.NewLogger(a.logs, c.Log.Format, c.Log.Level); err != nil {
		return err
	}
	a.metrics = observe.NewMetrics(a.cfg.Version)
	a.lines = observe.NewLines(observe.LinesConfig{
		Logger: a.logger, Rate: c.Log.Rate, Burst: c.Log.Burst, Metrics: a.metrics,
		Digest: a.tenants.digest,
	})
	a.decisions = observe.NewDecisions(a.metrics)
	return nil
}

// record begins the configured recording.
func (a *App) record(c *config.Config) error {
	a.recordings = newRecordings(recordingsConfig{
		Record: c.Record, version: a.cfg.Version, tenants: a.tenants, governor: a.governor, storage: a.storage,
		logger: a.logger, metrics: a.metrics,
	})
	return a.recordings.start(c)
}

// runTenants makes the hosting; it has no tenants yet.
func (a *App) runTenants() {
	a.hosting = &hosting{hostingConfig: hostingConfig{
		tenants: a.tenants, engine: a.engine, workers: a.workers, store: a.store, storage: a.storage, recordings: a.recordings,
		governor: a.governor, loads: tenant.NewLoadQueue(loadsAtOnce), logger: a.logger, logs: a.logs, lines: a.lines,
		metrics: a.metrics, decisions: a.decisions, life: a.life, left: func(m *tenantRuntime) { a.listeners.forget(m) },
	}}
}

// govern starts the idle layer.
func (a *App) govern(ctx context.Context, c *config.Config) error {
	process := observe.NewProcess()
	a.descriptors = overload.Divide(int(observe.FileLimit()))
	a.warnOfRoom(c)
	cfg := idle.Config{
		Limit: c.Limits.Connections, Descriptors: a.descriptors.Connections, Pressure: process.Pressure,
		Observer: observe.Observers{a.metrics, a.lines, a.decisions, outcomeObserver{}}, ParkAfter: parkAfter(c),
	}
	if a.store != nil { // clients keep their pseudonyms, and their side of a canary
		key, err := a.store.Secret(ctx, "client-key")
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		copy(cfg.ClientKey[:], key)
	}
	a.governor = idle.New(cfg)
	a.unassigned = idle.NewAccount(unassignedName, policy.Fixed{}, nil, c.Timeouts.Accepted(), c.DialledLimits())
	a.unassigned.Unknown = true
	a.metrics.Watch(a.governor, process, a.logs)
	a.metrics.WatchConnLimits(a.governor)
	a.metrics.WatchTenants(a.tenants.roster.Len, a.tenants.guests)
	a.sweeper = overload.NewSweeper(func() int { return a.governor.Parked() + a.governor.Stripped() + a.engine.Loads() })
	a.evictor = overload.NewEvictor(a.governor, a.descriptors, a.logger, process)
	return nil
}

// parkAfter is when quiet connections are parked, as package idle has it.
func parkAfter(c *config.Config) time.Duration {
	if c.Limits.ParkAfter == 0 {
		return -1
	}
	return c.Limits.ParkAfter.D()
}

// Close ends everything at once, in the order in which one part uses another.
// Idempotent; a nil part was never built.
func (a *App) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	a.end()
	var errs []error
	if a.admin != nil {
		errs = append(errs, a.admin.Close())
	}
	a.served.Wait()
	if a.janitor != nil {
		a.janitor.close()
	}
	a.background.close()
	if a.control != nil {
		errs = append(errs, a.control.Close())
	}
	if a.hosting != nil {
		a.hosting.removals.Wait()
	}
	if a.listeners != nil {
		errs = append(errs, a.listeners.close())
	}
	if a.sweeper != nil {
		a.sweeper.Close()
	}
	if a.evictor != nil {
		a.evictor.Close()
	}
	if a.governor != nil {
		errs = append(errs, a.governor.Close())
	}
	if a.recordings != nil { // nobody has a connection left to tell of
		errs = append(errs, a.recordings.close())
	}
	if a.tenants != nil {
		errs = append(errs, a.tenants.close())
	}
	if a.store != nil { // after what the policies have learned was put there
		errs = append(errs, a.store.Close())
	}
	if a.workers != nil { // after what the policies have learned was fetched
		errs = append(errs, a.workers.Close())
	}
	if a.engine != nil {
		errs = append(errs, a.engine.Close())
	}
	if a.compiler != nil {
		errs = append(errs, a.compiler.Close())
	}
	if a.lines != nil {
		a.lines.Flush()
	}
	if a.logs != nil {
		errs = append(errs, a.logs.Close())
	}
	return errors.Join(errs...)
}
