package app

import (
	"context"
	"time"

	"idlehost/host/internal/api"
)

// priced is the service of the API, which has tenants pay for what they ask of
// it beside loading: without that, who uploads what the host has, or moves a
// rollout back and forth, takes a processor from everybody, as BenchmarkNeighbour
// tells. It is paid out of what loading may cost.
type priced struct {
	counted
	members *members
}

// What things cost in processor time, a little more than was measured:
const (
	priceOfStep   = time.Millisecond     // two changes of the store, and a new standing
	priceOfUpload = 2 * time.Millisecond // the same, and what may not have been sent
	priceOfKiB    = 4 * time.Microsecond // to receive, take digests of, and compare or write
)

// Upload has the tenant pay, whoever uploads for it.
func (p priced) Upload(ctx context.Context, who api.Actor, tenant string, u api.Upload) (*api.Policy, bool, error) {
	defer p.charge(tenant, time.Duration(len(u.Wasm)>>10)*priceOfKiB)
	return p.counted.Upload(ctx, who, tenant, u)
}

// MayUpload has the tenant pay for what comes to nothing, too.
func (p priced) MayUpload(ctx context.Context, tenant string) (release func(), err error) {
	release, err = p.counted.MayUpload(ctx, tenant)
	if err == nil {
		p.charge(tenant, priceOfUpload)
	}
	return release, err
}

// Step is paid for by the tenant that asks for it. A rollback is never refused
// for want of means: who is in trouble needs it, and what it takes back has been
// paid for.
func (p priced) Step(ctx context.Context, who api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	switch {
	case who.Operator:
	case s.Kind == api.StepRollback:
		p.charge(who.Tenant, priceOfStep)
	default:
		if err := p.sell(who); err != nil {
			return nil, err
		}
	}
	return p.counted.Step(ctx, who, tenant, s, pre)
}

// sell takes the price of a step from a tenant; KindRate where it has nothing.
func (p priced) sell(who api.Actor) error {
	m := p.members.get(who.Tenant)
	if m == nil {
		return nil // the rules say so
	}
	if d := m.quota.RetryAfter(); d > 0 {
		e := api.NewProblem(api.KindRate, "uploads and steps have cost tenant %s what it may use: try again in %s", who.Tenant, d.Round(time.Millisecond))
		e.RetryAfter = d
		return e
	}
	m.quota.Charge(priceOfStep)
	return nil
}

func (p priced) charge(tenant string, cost time.Duration) {
	if m := p.members.get(tenant); m != nil {
		m.quota.Charge(cost)
	}
}

var _ api.Service = priced{}
