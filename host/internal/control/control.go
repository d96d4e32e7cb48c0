// Package control has the rules of tenants, policies, rollouts and tokens: it
// is the api.Service over a store.Store and over what runs, its Runtime.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"idlehost/host/internal/api"
	"idlehost/host/internal/ratelimit"
	"idlehost/host/internal/store"
)

// Config is what a Control is made of.
type Config struct {
	// Store is the caller's to close, after the Control. nil: there is none;
	// what would change something is KindNoStore, and only declared tenants
	// show.
	Store store.Store
	// Runtime is what runs. Required.
	Runtime Runtime
	// Space keeps uploads within bounds; nil: there are none.
	Space Space
	// Now tells the time that records carry. nil: time.Now.
	Now func() time.Time
	// Logger hears of what nobody has asked for: tenants of the store that
	// cannot be put in force, and the housekeeping. nil: nobody.
	Logger *slog.Logger
}

// Control applies the rules. Safe for concurrent use.
type Control struct {
	store   store.Store // nil: none
	runtime Runtime
	space   Space // nil: no bounds
	now     func() time.Time
	logger  *slog.Logger

	locks    tenantLocks
	reserved reservations
	uploads  *uploadQueue
	refusals *ratelimit.Limiter
	changes  *ratelimit.Limiter

	stopping context.Context // done from Close on
	stop     context.CancelFunc
	running  sync.WaitGroup // the housekeeping

	mu sync.Mutex // guards the following
	// unwatch ends the watch of the store. nil: not begun, or ended.
	unwatch func()
	closed  bool
	// sweptEarly is when the store was last swept because there was no room.
	sweptEarly time.Time
}

// sweepEvery is how often the store is rid of what nobody needs.
const sweepEvery = 10 * time.Minute

// New returns a Control that does not follow its store yet: see Start.
func New(cfg Config) *Control {
	c := &Control{
		store: cfg.Store, runtime: cfg.Runtime, space: cfg.Space, now: cfg.Now, logger: cfg.Logger,
		uploads:  newUploadQueue(),
		refusals: ratelimit.New(rate.Every(refusalEvery), refusalBurst, limitedTenants),
		changes:  ratelimit.New(rate.Every(changeEvery), changeBurst, limitedTenants),
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	c.stopping, c.stop = context.WithCancel(context.Background())
	return c
}

// Start puts every tenant of the store in force, and from then on what this
// process or another changes, until Close. A tenant that cannot be put in
// force, since a declared one has its host for instance, is logged and left
// out. Tenants that the configuration declares must run already.
func (c *Control) Start(ctx context.Context) error {
	if c.store == nil {
		return nil
	}
	if err := c.watch(); err != nil {
		return err
	}
	began, kept, left := time.Now(), 0, 0
	declared := map[string]bool{} // looked up for each of thousands
	for _, d := range c.runtime.Declared() {
		declared[d.Name] = true
	}
	for after, more := "", true; more; {
		page, err := c.store.Tenants(ctx, after, maxPage)
		if err != nil {
			return fmt.Errorf("read the tenants of the store: %w", err)
		}
		for _, t := range page {
			after = t.Name
			switch err := c.begin(ctx, t, declared[t.Name]); {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				left++
				c.logger.Error("tenant of the store not put in force", "tenant", t.Name, "error", err)
			default:
				kept++
			}
		}
		more = len(page) == maxPage
	}
	c.logger.Debug("tenants of the store put in force", "tenants", kept, "failed", left, "took", time.Since(began))
	return nil
}

// begin puts a tenant that the store had at the start in force.
func (c *Control) begin(ctx context.Context, t *store.Tenant, declared bool) error {
	if declared && !t.Declared {
		c.logger.Warn("the configuration file declares a tenant that the store has too: the file's hosts, upstreams and limits hold",
			"tenant", t.Name)
	}
	if t.Declared && !declared {
		return nil // it is nobody's, and waits
	}
	return c.sync(ctx, t.Name, declared)
}

// watch begins to follow the store, and the housekeeping.
func (c *Control) watch() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("control is closed")
	}
	if c.unwatch != nil {
		return errors.New("control is started already")
	}
	c.unwatch = c.store.Watch(c.follow)
	c.running.Go(c.keepHouse)
	return nil
}

// follow puts in force what has changed in the store.
func (c *Control) follow(name string) {
	if err := c.Sync(c.stopping, name); err != nil && c.stopping.Err() == nil {
		c.logger.Error("change of a tenant not put in force", "tenant", name, "error", err)
	}
}

// keepHouse rids the store of what nobody needs, now and then. Close ends it.
func (c *Control) keepHouse() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.stopping.Done():
			return
		case <-tick.C:
		}
		n, err := c.store.Sweep(c.stopping)
		switch {
		case c.stopping.Err() != nil:
			return
		case err != nil:
			c.logger.Error("the store could not be swept", "error", err)
		case n > 0:
			c.logger.Info("policies that no tenant has are gone from the store", "policies", n)
		}
	}
}

// Sync puts what the store has of a tenant in force, or has it removed where
// the store has none. Start, the watch and every change call it; so does who
// has changed which tenants are declared. What is in force already stays as it
// is.
func (c *Control) Sync(ctx context.Context, name string) error {
	if c.store == nil {
		return nil
	}
	return c.sync(ctx, name, c.declared(name) != nil)
}

func (c *Control) sync(ctx context.Context, name string, declared bool) error {
	r := c.locks.take(name)
	defer c.locks.give(name, r)
	// Read and put in force under one lock: an older record cannot overtake a
	// newer one, nor come back after a removal.
	r.applying.Lock()
	defer r.applying.Unlock()
	t, err := c.store.Tenant(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound) && declared:
		return nil // the file says all there is to say
	case errors.Is(err, store.ErrNotFound), err == nil && t.Declared && !declared:
		return c.runtime.Remove(ctx, name)
	case err != nil:
		return fmt.Errorf("read tenant %s: %w", name, err)
	}
	t.Declared = declared
	return c.runtime.Apply(ctx, t)
}

// enforce puts a change that is kept already in force, whatever becomes of who
// has asked for it.
func (c *Control) enforce(ctx context.Context, name string) error {
	if err := c.Sync(context.WithoutCancel(ctx), name); err != nil {
		return fmt.Errorf("the change of tenant %s is kept, but could not be put in force: %w", name, err)
	}
	return nil
}

// Close ends the watch and the housekeeping and waits for them. Idempotent.
func (c *Control) Close() error {
	c.stop()
	c.mu.Lock()
	c.closed = true
	unwatch := c.unwatch
	c.unwatch = nil
	c.mu.Unlock()
	if unwatch != nil {
		unwatch() // waits for follow, which ends by c.stopping
	}
	c.running.Wait()
	return nil
}

var _ api.Service = (*Control)(nil)
