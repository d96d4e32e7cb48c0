package control

import (
	"time"

	"idlehost/host/internal/api"
)

// What a tenant's own changes may write into the audit log, for the reason that
// refusals have: the log is everybody's. What takes something back is free,
// since there must have been something: a rollback, the end of a shadow, a
// token that is revoked, a policy that is deleted.
const (
	changeBurst = 1000
	changeEvery = 10 * time.Second // for each one beyond the burst
)

// mayChange is KindRate for a tenant that has changed too much of late.
func (c *Control) mayChange(who api.Actor, tenant string) error {
	if who.Tenant == "" {
		return nil
	}
	d := c.changes.Wait(c.now(), tenant)
	if d <= 0 {
		return nil
	}
	p := api.NewProblem(api.KindRate, "tenant %s has changed something %d times and more of late: try again in %s", tenant, changeBurst, d.Round(time.Millisecond))
	p.RetryAfter = d
	return p
}

// changed counts what mayChange has allowed.
func (c *Control) changed(who api.Actor, tenant string) {
	if who.Tenant != "" {
		c.changes.Allow(c.now(), tenant)
	}
}
