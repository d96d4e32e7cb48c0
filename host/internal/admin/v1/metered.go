package v1

import (
	"context"
	"time"

	"idlehost/host/internal/api"
)

// Charges is what a metered service charges calls to, and reports them to.
// Safe for concurrent use.
type Charges interface {
	// RetryAfter returns how long a tenant has nothing left to pay with; 0: it
	// can pay now, or there is no such tenant.
	RetryAfter(tenant string) time.Duration
	// Charge takes processor time from a tenant, also time that it does not have.
	Charge(tenant string, cost time.Duration)
	// Uploaded counts an upload, or one that is refused before it is read.
	Uploaded(created bool, err error)
	// Stepped counts a step that is taken.
	Stepped(kind api.StepKind)
}

// Metered returns a service that counts uploads and steps, and has tenants pay
// for them in processor time, out of what loading may cost. Without a price, a
// tenant that uploads what the host has, or moves a rollout back and forth,
// takes a processor from everybody, as BenchmarkNeighbour shows.
func Metered(s api.Service, c Charges) api.Service { return metered{s, c} }

type metered struct {
	api.Service
	charges Charges
}

// What calls cost in processor time, a little more than was measured.
const (
	// PriceOfStep is for two changes of the store, and a new snapshot.
	PriceOfStep = time.Millisecond
	// PriceOfUpload is for the same, and for a body that may not have been sent.
	PriceOfUpload = 2 * time.Millisecond
	// priceOfKiB is for receiving a KiB, taking its digest, and comparing or
	// writing it.
	priceOfKiB = 4 * time.Microsecond
)

// MayUpload charges and counts an upload that comes to nothing, too.
func (m metered) MayUpload(ctx context.Context, tenant string) (release func(), err error) {
	release, err = m.Service.MayUpload(ctx, tenant)
	if err != nil {
		m.charges.Uploaded(false, err)
	} else {
		m.charges.Charge(tenant, PriceOfUpload)
	}
	return release, err
}

// Upload has the tenant pay, whoever uploads for it.
func (m metered) Upload(ctx context.Context, who api.Actor, tenant string, u api.Upload) (*api.Policy, bool, error) {
	defer m.charges.Charge(tenant, time.Duration(len(u.Wasm)>>10)*priceOfKiB)
	p, created, err := m.Service.Upload(ctx, who, tenant, u)
	m.charges.Uploaded(created, err)
	return p, created, err
}

// Step has the tenant pay that asks for it. A rollback is never refused for want
// of means: a tenant in trouble needs it, and what it takes back has been paid
// for.
func (m metered) Step(ctx context.Context, who api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	if !who.Operator {
		if d := m.charges.RetryAfter(who.Tenant); d > 0 && s.Kind != api.StepRollback {
			p := api.NewProblem(api.KindRate, "uploads and steps have cost tenant %s what it may use: try again in %s", who.Tenant, d.Round(time.Millisecond))
			p.RetryAfter = d
			return nil, p
		}
		m.charges.Charge(who.Tenant, PriceOfStep)
	}
	r, err := m.Service.Step(ctx, who, tenant, s, pre)
	if err == nil {
		m.charges.Stepped(s.Kind)
	}
	return r, err
}
