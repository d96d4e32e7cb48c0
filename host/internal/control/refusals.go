package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

// What a tenant's refused uploads may write into the audit log, which forgets
// its oldest entries: somebody who uploads rubbish in a loop is not to make it
// forget what matters.
const (
	limitedTenants = 4096 // whose refusals, or changes, are remembered
	refusalBurst   = 10
	refusalEvery   = time.Minute // for each one beyond the burst
)

// refuse notes an upload that was refused for what it is.
func (c *Control) refuse(ctx context.Context, who api.Actor, tenant, digest string, err error) {
	var p *api.Problem
	if !errors.As(err, &p) || p.Type != api.TypePrefix+api.KindRefused && p.Type != api.TypePrefix+api.KindSignature {
		return
	}
	skipped, ok := c.refusals.Allow(c.now(), tenant)
	if !ok {
		return
	}
	cause := p.Cause
	if cause == "" {
		cause = "signature"
	}
	detail := cause + ": " + clean(p.Detail, maxDetail)
	if skipped > 0 {
		detail += fmt.Sprintf(" (and %d before it that are not noted)", skipped)
	}
	err = c.store.Note(context.WithoutCancel(ctx), store.Entry{
		At: c.now(), Actor: who.Name, Tenant: tenant, Action: "policy.refused", Digest: digest, Detail: detail,
	})
	if err != nil {
		c.logger.Error("refused upload not noted", "tenant", tenant, "error", err)
	}
}
