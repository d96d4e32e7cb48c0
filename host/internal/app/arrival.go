package app

import (
	"context"
	"errors"

	"idlehost/host/internal/check"
	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
)

// arrival is a declaration on its way to being in force, with the policy that
// was loaded for it, if it has changed.
type arrival struct {
	*declaration
	module *module      // what is to be in force: the declaration's, unless that was missed
	guest  tenant.Guest // nil: none is declared, or it stays
	lost   policy.Fault // why there is none, where there should be
	missed *failedLoad  // nil: module is the declaration's
}

// failedLoad is a declared policy that could not be loaded in the place of another,
// which stays.
type failedLoad struct {
	module *module
	fault  policy.Fault
}

// notLoaded is why a configuration is not put in force: policies that it names
// cannot be loaded.
type notLoaded struct {
	config.Problems
	passes bool // it may be over by itself, for all of them
}

// Unwrap returns the problems.
func (e *notLoaded) Unwrap() error { return e.Problems }

// TryAgain reports whether nothing is known to be wrong with the policies.
func (e *notLoaded) TryAgain() bool { return e.passes }

// add notes a policy that cannot be loaded.
func (e *notLoaded) add(c *config.Config, d *declaration, fault policy.Fault, err error) {
	without := `on_load_failure = "native"`
	if d.path == "" {
		without += " (--plugin-optional)"
	}
	key, hint := d.path+"plugin.path", "host check tells more; with "+without+" the host serves without it"
	switch {
	case fault == policy.FaultConfigure:
		key, hint = d.path+"plugin.config", check.ParamsHint
	case fault.Passes():
		hint = "nothing is known to be wrong with it: try again; with " + without + " the host serves until it loads"
	}
	e.passes = fault.Passes() && (e.passes || len(e.Problems) == 0)
	var ps config.Problems
	if errors.As(c.Problem(key, err.Error(), hint), &ps) {
		e.Problems = append(e.Problems, ps...)
	}
}

// admit loads the policies of declarations that have changed, or could not be
// loaded before. One that cannot be loaded is an error, a *notLoaded, unless the
// host is to serve without it. Parameters that a policy refuses are a mistake of
// the configuration in any case.
func (h *hosting) admit(ctx context.Context, c *config.Config, all []*declaration) ([]*arrival, error) {
	var arrivals []*arrival
	var problems notLoaded
	for _, d := range all {
		r := &arrival{declaration: d, module: d.module}
		arrivals = append(arrivals, r)
		if d.module == nil || d.module.same(h.tenants.inCharge(d.name)) {
			continue
		}
		g, err := h.loadDeclared(ctx, d)
		switch fault := faultOf(err); {
		case err == nil:
			r.guest = g
		case ctx.Err() != nil:
			return nil, errors.Join(ctx.Err(), turnBack(arrivals))
		case d.optional && fault != policy.FaultConfigure:
			h.doWithout(r, fault, err)
		default:
			problems.add(c, d, fault, err)
		}
	}
	if len(problems.Problems) > 0 {
		if err := turnBack(arrivals); err != nil {
			return nil, errors.Join(&problems, err)
		}
		return nil, &problems
	}
	return arrivals, nil
}

// doWithout goes on without a policy: with the one before it, or the native one.
func (h *hosting) doWithout(r *arrival, fault policy.Fault, err error) {
	says := "policy not loaded, native default answers"
	if old := h.tenants.inCharge(r.name); old != nil {
		says = "policy not loaded, the one before stays"
		r.module, r.missed = old, &failedLoad{r.declaration.module, fault}
	} else {
		r.lost = fault
	}
	m := r.declaration.module
	h.logger.Error(says, "tenant", r.name, "policy", m.name, "digest", policy.ShortDigest(m.digest), "cause", fault.String(), "error", err)
}

// mayPass reports whether one of the policies that the host does without may
// yet be loaded in the place of the one that stays.
func mayPass(arrivals []*arrival) bool {
	for _, r := range arrivals {
		if r.missed != nil && r.missed.fault.Passes() {
			return true
		}
	}
	return false
}

// turnBack closes what was loaded for nothing.
func turnBack(arrivals []*arrival) error {
	var errs []error
	for _, r := range arrivals {
		if r.guest != nil {
			errs = append(errs, r.guest.Close())
		}
	}
	return errors.Join(errs...)
}
