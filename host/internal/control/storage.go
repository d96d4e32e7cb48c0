package control

import (
	"context"
	"errors"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/space"
)

// Space keeps what tenants have on the host's disks within bounds. Methods may
// be called by many goroutines at once.
type Space interface {
	// Claim sets bytes aside that a tenant is about to add to its own, and to
	// what there is in all; *space.LimitError, *space.DiskError. release is
	// called when they are there, or will not be.
	Claim(tenant string, own, all int64) (release func(), err error)
}

// claim is room for a policy of a tenant, from before it is checked until it is
// in the store.
type claim struct {
	c              *Control
	tenant, digest string
	module         int // bytes
	own, all       int64
	releases       []func()
}

// extend claims what a policy with a report of so many bytes adds beyond what
// has been claimed; KindStorage. Where there is no room, the store is swept
// once for it.
func (k *claim) extend(ctx context.Context, report int) error {
	err := k.try(report)
	if err != nil && k.c.sweepEarly(ctx, k.tenant, err) {
		err = k.try(report)
	}
	if err == nil {
		return nil
	}
	k.c.logger.Debug("upload refused for want of room", "tenant", k.tenant, "error", err)
	return k.c.withUnswept(NoRoom(err), k.tenant)
}

func (k *claim) try(report int) error {
	own, all := k.c.store.Adds(k.tenant, k.digest, k.module, report)
	if n := k.c.store.Usage(k.tenant).UnnamedCount; own > 0 && n >= maxUnswept {
		p := api.NewProblem(api.KindRate, "tenant %s has deleted %d policies that are not swept yet: try again within %s", k.tenant, n, sweepEvery)
		p.RetryAfter = sweepEvery
		return p
	}
	moreOwn, moreAll := max(own-k.own, 0), max(all-k.all, 0)
	if k.c.space == nil || moreOwn == 0 && moreAll == 0 {
		return nil
	}
	release, err := k.c.space.Claim(k.tenant, moreOwn, moreAll)
	if err != nil {
		return err
	}
	k.own, k.all, k.releases = k.own+moreOwn, k.all+moreAll, append(k.releases, release)
	return nil
}

func (k *claim) release() {
	for _, release := range k.releases {
		release()
	}
}

// maxUnswept bounds the policies that a tenant has deleted and that are not
// swept yet: they are listed in its record, which is read with every request.
const maxUnswept = 100

// How often the store is swept for want of room, at most: a sweep reads the whole
// store, which takes a second for 10,000 tenants. For a tenant at its own limit
// it is swept only if that frees bytes of the tenant's.
const (
	earlySweepEvery    = 10 * time.Second
	earlySweepAllEvery = time.Minute // where the limit of all is met, or the disk is full
)

// sweepEarly sweeps the store if that may make the room that a tenant lacks, and
// reports whether it has.
func (c *Control) sweepEarly(ctx context.Context, tenant string, why error) bool {
	var full *space.LimitError
	every := earlySweepAllEvery
	if errors.As(why, &full) && full.Owner != "" || errors.As(why, new(*api.Problem)) {
		if c.store.Usage(tenant).Sweepable == 0 {
			return false
		}
		every = earlySweepEvery
	}
	now := c.now()
	c.mu.Lock()
	wait := !c.sweptEarly.IsZero() && now.Sub(c.sweptEarly) < every
	if !wait {
		c.sweptEarly = now
	}
	c.mu.Unlock()
	if wait {
		return false
	}
	if _, err := c.store.Sweep(ctx); err != nil && ctx.Err() == nil {
		c.logger.Error("the store could not be swept", "error", err)
		return false
	}
	return ctx.Err() == nil
}

// NoRoom makes an error that is for want of room on a disk a problem, with the
// figures; another one passes.
func NoRoom(err error) error {
	var full *space.LimitError
	var disk *space.DiskError
	switch {
	case errors.As(err, &full):
		p := api.NewProblem(api.KindStorage, "%v", full)
		p.Used, p.Limit, p.Asked = full.Used, full.Limit, full.Asked
		return p
	case errors.As(err, &disk):
		p := api.NewProblem(api.KindStorage, "%v", disk)
		p.Asked, p.Free, p.Reserve = disk.Asked, disk.Free, disk.Reserve
		return p
	case space.Reason(err) != "":
		return api.NewProblem(api.KindStorage, "the host's disk takes no more: %s", space.Reason(err))
	}
	return err
}

// withUnswept adds to a problem how many bytes are of policies that the tenant
// has deleted and that are not swept yet.
func (c *Control) withUnswept(err error, tenant string) error {
	var p *api.Problem
	if unnamed := c.store.Usage(tenant).Unnamed; errors.As(err, &p) && p.Limit > 0 && unnamed > 0 {
		p.Detail += "; " + space.Text(unnamed) + " of that belong to policies that the tenant has deleted, and are freed within minutes"
	}
	return err
}
