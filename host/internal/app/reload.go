package app

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	"idlehost/host/internal/config"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/policy"
)

// Reload reads the configuration, certificates and the policy again and goes
// by them, without ending a connection. What the policy has learned is handed
// to its successor. On an error, which is logged and counted, everything stays
// as it was.
//
// Connections keep the listener that they came to; upstreams and routes, the law
// of timeouts and limits, and the policy change for all of them.
func (a *App) Reload(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = nil
	c, err := a.cfg.Load()
	if err == nil {
		err = a.replaceLocked(ctx, c)
	}
	return a.toldLocked(err)
}

// retry puts the configuration in force that was to be and could not, as it was
// read then.
func (a *App) retry(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.pending; c != nil {
		a.pending = nil
		_ = a.toldLocked(a.replaceLocked(ctx, c)) // it has been logged and counted
	}
}

// mayRetry reports whether a try is due.
func (a *App) mayRetry() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pending != nil
}

// toldLocked logs and counts what a reload has come to.
func (a *App) toldLocked(err error) error {
	a.metrics.Reloaded(err)
	if err != nil {
		a.refused.Store(&err)
		a.logger.Error("configuration not reloaded, the old one stays", "error", err)
		return err
	}
	a.refused.Store(nil)
	a.logger.Info("configuration reloaded", "policy", a.tenants.digest(a.current.Tenants.Default, policy.RoleActive))
	return nil
}

// replaceLocked does first whatever may fail, and undoes it if anything does.
// Where only means are lacking, the configuration is pending.
func (a *App) replaceLocked(ctx context.Context, c *config.Config) error {
	all, err := declarations(c)
	if err != nil {
		return err
	}
	level, err := observe.ParseLevel(c.Log.Level)
	if err != nil {
		return err
	}
	next, err := a.listeners.prepare(ctx, c)
	if err != nil {
		return err
	}
	commitAdmin, dropAdmin, err := a.nextAdminLocked(ctx, c)
	if err != nil {
		next.drop()
		return err
	}
	arrivals, err := a.hosting.admit(ctx, c, all)
	if err != nil {
		next.drop()
		dropAdmin()
		if unloaded := (*notLoaded)(nil); errors.As(err, &unloaded) && unloaded.passes {
			a.pending = c
		}
		return err
	}
	if mayPass(arrivals) {
		a.pending = c
	}
	a.warnOfRestart(c)
	before := a.tenants.declaredOnes()
	a.hosting.declare(c, arrivals)
	a.listeners.commit(next)
	a.revisit(ctx, before)
	commitAdmin()
	a.level.Set(level)
	a.lines.SetRate(c.Log.Rate, c.Log.Burst)
	a.unassigned.SetLaw(c.Timeouts.Accepted(), c.DialledLimits())
	a.current = c
	return nil
}

// revisit has tenants that are declared now and were not, or the opposite, go by
// what the store has of them.
func (a *App) revisit(ctx context.Context, before []*tenantRuntime) {
	after := a.tenants.declaredOnes()
	for _, lists := range [][2][]*tenantRuntime{{before, after}, {after, before}} {
		for _, m := range lists[0] {
			if slices.ContainsFunc(lists[1], func(o *tenantRuntime) bool { return o.name == m.name }) {
				continue
			}
			if err := a.control.Sync(ctx, m.name); err != nil {
				a.logger.Error("tenant of the store not in force", "tenant", m.name, "error", err)
			}
		}
	}
}

// warnOfRestart names what has changed and cannot follow.
func (a *App) warnOfRestart(c *config.Config) {
	old := a.current
	var keys []string
	for key, changed := range map[string]bool{
		"store.dir":            old.Store.Dir != c.Store.Dir,
		"tenants.rest_after":   old.Tenants.RestAfter != c.Tenants.RestAfter,
		"tenants.default":      old.Tenants.Default != c.Tenants.Default,
		"log.format":           old.Log.Format != c.Log.Format,
		"limits.connections":   old.Limits.Connections != c.Limits.Connections,
		"limits.clients":       old.Limits.Clients != c.Limits.Clients,
		"limits.park_after":    old.Limits.ParkAfter != c.Limits.ParkAfter,
		"record":               !reflect.DeepEqual(old.Record, c.Record),
		"timeouts.late_window": old.Timeouts.LateWindow != c.Timeouts.LateWindow,
	} {
		if changed {
			keys = append(keys, key)
		}
	}
	if len(keys) > 0 {
		slices.Sort(keys)
		a.logger.Warn("these changes wait for a restart", "keys", strings.Join(keys, ", "))
	}
}
