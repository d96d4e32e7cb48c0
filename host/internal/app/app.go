// Package app wires the rooms of the host together: it builds them from the
// configuration, runs them, reloads and drains them. Nothing else imports so
// many of them, and none of them imports app.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/admin"
	"idlehost/host/internal/books"
	"idlehost/host/internal/config"
	"idlehost/host/internal/engine"
	"idlehost/host/internal/engine/forge"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
)

// Config says what an App starts from.
type Config struct {
	// Version is shown in metrics and on the admin server.
	Version string
	// Load returns the configuration, complete and checked. It is called at
	// the start and at every reload.
	Load func() (*config.Config, error)
	// CompileApart starts this very program in such a way that it calls
	// forge.Child, its own name first. nil: policies are compiled in this
	// process, large ones not at all.
	CompileApart []string
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

	logs     *observe.Writer
	logger   *slog.Logger
	level    *slog.LevelVar
	metrics  *observe.Metrics
	lines    *observe.Lines
	forge    *forge.Forge
	engine   *engine.Engine
	tenant   *tenant.Tenant
	accepted *idle.Account // the tenant's clients
	dialled  *idle.Account // the tenant's connections to upstreams: another law and other books, the same policy
	governor *idle.Governor
	edge     *edge
	sweeper  *sweeper

	state atomic.Int32
	// For people: who decides, and where the admin server listens (nil: off).
	rule      atomic.Pointer[string]
	adminAddr atomic.Pointer[net.Addr]

	mu sync.Mutex // held through a reload; guards the following fields
	// current and module are what the last good configuration said.
	current *config.Config
	module  *module       // nil: none, or one that could not be loaded
	admin   *admin.Server // nil: off
	closed  bool

	served sync.WaitGroup // admin servers
}

// upstreamsKept is how many upstream addresses the books remember.
const upstreamsKept = 256

// States of an App.
const (
	starting = iota
	serving
	draining
)

// New builds a host and binds its addresses. The error of a configuration
// that cannot be put to use is a config.Problems. A policy that cannot be
// loaded is no error: the native one answers, and the log says why.
func New(ctx context.Context, cfg Config) (*App, error) {
	c, err := cfg.Load()
	if err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, ballast: newBallast(), current: c}
	if err := a.build(ctx, c); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) build(ctx context.Context, c *config.Config) error {
	m, err := findModule(c)
	if err != nil {
		return err
	}
	if err := a.observe(c); err != nil {
		return err
	}
	if err := a.runGuests(ctx); err != nil {
		return err
	}
	remedies := c.Plugin.Remedies()
	a.tenant = tenant.New(tenant.Config{Name: c.Tenants.Default, Logger: a.logger, Remedies: &remedies})
	if err := a.install(ctx, c, m); err != nil {
		return err
	}
	a.govern(c)
	a.edge = newEdge(a)
	next, err := a.edge.prepare(ctx, c)
	if err != nil {
		return err
	}
	a.edge.commit(next)
	return a.openAdmin(ctx, c)
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
		Digest: func(string, policy.Role) string { return tenant.Short(a.tenant.Digest()) },
	})
	return nil
}

// govern starts the idle layer with the tenant's two accounts.
func (a *App) govern(c *config.Config) {
	kept := books.New(books.Config{
		Clients: c.Limits.Clients, Classes: config.MaxClass + 1, LateWithin: c.Timeouts.Window(),
	})
	name := a.tenant.Name()
	a.accepted = idle.NewAccount(name, a.tenant, kept, c.Timeouts.Accepted(), c.AcceptedLimits())
	// What upstreams do between requests says nothing about clients.
	pools := books.New(books.Config{Clients: upstreamsKept, Classes: config.MaxClass + 1})
	a.dialled = idle.NewAccount(name, a.tenant, pools, c.Timeouts.Dialled(), c.DialledLimits())
	process := observe.NewProcess()
	a.governor = idle.New(idle.Config{
		Limit: c.Limits.Connections, Pressure: process.Pressure,
		Observer: observe.Both{a.metrics, a.lines}, ParkAfter: parkAfter(c),
	})
	a.metrics.Watch(a.governor, process, a.logs)
	a.sweeper = newSweeper(func() int { return a.governor.Parked() + a.governor.Stripped() })
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
	var errs []error
	if a.admin != nil {
		errs = append(errs, a.admin.Close())
	}
	a.served.Wait()
	if a.edge != nil {
		errs = append(errs, a.edge.close())
	}
	if a.sweeper != nil {
		a.sweeper.close()
	}
	if a.governor != nil {
		errs = append(errs, a.governor.Close())
	}
	if a.tenant != nil {
		errs = append(errs, a.tenant.Close())
	}
	if a.engine != nil {
		errs = append(errs, a.engine.Close())
	}
	if a.forge != nil {
		errs = append(errs, a.forge.Close())
	}
	if a.lines != nil {
		a.lines.Flush()
	}
	if a.logs != nil {
		errs = append(errs, a.logs.Close())
	}
	return errors.Join(errs...)
}
