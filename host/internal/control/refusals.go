package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

// What a tenant's refused uploads may write into the audit log, which forgets
// its oldest entries: somebody who uploads rubbish in a loop is not to make it
// forget what matters.
const (
	refusalBurst = 10
	refusalEvery = time.Minute // for each one beyond the burst
	// refusalTenants bounds how many tenants are remembered.
	refusalTenants = 4096
)

// refusals counts, for each tenant, what it may still write.
type refusals struct {
	mu sync.Mutex // guards the following
	by map[string]*allowance
}

type allowance struct {
	left    float64
	at      time.Time // when left was so
	skipped int       // refusals since the last that was noted
}

// refuse notes an upload that was refused for what it is.
func (c *Control) refuse(ctx context.Context, who api.Actor, tenant, digest string, err error) {
	var p *api.Problem
	if !errors.As(err, &p) || p.Type != api.TypePrefix+api.KindRefused && p.Type != api.TypePrefix+api.KindSignature {
		return
	}
	skipped, ok := c.refusals.note(tenant, c.now())
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

// note reports whether a refusal may be noted, and how many were not.
func (r *refusals) note(tenant string, now time.Time) (skipped int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.by[tenant]
	if a == nil {
		r.makeRoomLocked(now)
		a = &allowance{left: refusalBurst, at: now}
		r.by[tenant] = a
	}
	a.earn(now)
	if a.left < 1 {
		a.skipped++
		return 0, false
	}
	skipped, a.skipped = a.skipped, 0
	a.left--
	return skipped, true
}

// makeRoomLocked forgets those who could write a whole burst anyway; where
// that is nobody, everybody.
func (r *refusals) makeRoomLocked(now time.Time) {
	if r.by == nil {
		r.by = map[string]*allowance{}
	}
	if len(r.by) < refusalTenants {
		return
	}
	for name, a := range r.by {
		if a.earn(now); a.left == refusalBurst {
			delete(r.by, name)
		}
	}
	if len(r.by) >= refusalTenants {
		clear(r.by)
	}
}

func (r *refusals) forget(tenant string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, tenant)
}

func (a *allowance) earn(now time.Time) {
	if d := now.Sub(a.at); d > 0 {
		a.left = min(refusalBurst, a.left+float64(d)/float64(refusalEvery))
		a.at = now
	}
}
