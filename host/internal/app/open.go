package app

import (
	"context"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/config"
	"idlehost/host/internal/control"
	"idlehost/host/internal/store/file"
)

// unassignedName is the account of connections whose tenant is not known yet. No
// tenant can be called so.
const unassignedName = "_lobby"

// openStore opens the store, if one is configured.
func (a *App) openStore(c *config.Config) error {
	if c.Store.Dir == "" {
		return nil
	}
	s, err := file.Open(c.Store.Dir, file.Config{Failed: a.writeFailed})
	if err != nil {
		return c.Problem("store.dir", err.Error(), "")
	}
	a.store = s
	return nil
}

// takeControl puts the tenants of the store in force.
func (a *App) takeControl(ctx context.Context) error {
	a.control = control.New(control.Config{Store: a.store, Runtime: a.hosting, Space: a.storage, Logger: a.logger})
	a.api = v1.New(v1.Config{
		Service: v1.Metered(a.control, account{a.hosting}), Recordings: a.recordings, UploadBytes: moduleBytes, Rate: apiRate, Burst: apiBurst, TenantRate: tenantRate, TenantBurst: tenantBurst, Logger: a.logger,
	})
	return a.control.Start(ctx)
}

// What a caller of the API may ask for per second, and at once: a change of the
// store takes one to five milliseconds, of which there is enough for several
// callers, and for one who makes thousands of tenants.
const (
	apiRate  = 200
	apiBurst = 400
	// A tenant has less: a request that has its whole record read may take some
	// milliseconds, and there are many tenants.
	tenantRate  = 50
	tenantBurst = 100
)
