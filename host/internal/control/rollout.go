package control

import (
	"context"
	"errors"

	"idlehost/host/internal/api"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// Bounds of what a Step may say, in bytes.
const (
	maxReason = 500
	maxParams = 64 << 10 // the engine's own bound
)

// Rollout shows which versions are asked, and by whom.
func (c *Control) Rollout(ctx context.Context, tenant string) (*api.Rollout, error) {
	s, err := c.find(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return c.showRollout(s), nil
}

func (c *Control) showRollout(s *tenantView) *api.Rollout {
	out := &api.Rollout{ETag: rolloutTag(s.record)}
	out.Sides, out.Comparison = c.runtime.Sides(s.name)
	if s.fixed { // what the record says is not in force
		if s.declared.Active != "" {
			out.Active = &spec.Release{Digest: s.declared.Active}
		}
		return out
	}
	out.Rollout = s.record.Rollout
	return out
}

// Step changes the rollout, as the kind of the step says.
func (c *Control) Step(ctx context.Context, who api.Actor, tenant string, s api.Step, pre api.Precondition) (*api.Rollout, error) {
	if err := checkStep(s); err != nil {
		return nil, err
	}
	return c.roll(ctx, who, tenant, pre, moveOf(s, c.now()))
}

// Revert takes a canary back by itself, for a reason that a Guard has found.
// It does nothing where the canary is another version meanwhile, or none.
func (c *Control) Revert(ctx context.Context, tenant, digest, reason string) error {
	_, err := c.roll(ctx, api.Actor{Name: "guard"}, tenant, api.Precondition{}, revert(digest, clean(reason, maxReason), c.now()))
	return err
}

// checkStep holds a Step to what every move relies on.
func checkStep(s api.Step) error {
	canary := s.Kind == api.StepCanary
	switch {
	case canary && !(s.Percent > 0 && s.Percent <= 100): // NaN is neither
		return invalid("percent", "percent is %v: more than 0, at most 100", s.Percent)
	case !canary && s.Percent != 0:
		return invalid("percent", "only a canary has a percentage")
	case s.Kind == api.StepRollback && len(s.Params) > 0:
		return invalid("params", "a rollback takes no params: it goes back to what was")
	}
	size := 0
	for k, v := range s.Params {
		size += len(k) + len(v) + len("=\n")
	}
	if size > maxParams {
		return invalid("params", "params have %d bytes, at most %d", size, maxParams)
	}
	return checkLine("reason", s.Reason, maxReason)
}

// roll makes a move: it is tried before it is kept, and in force before it is
// answered.
func (c *Control) roll(ctx context.Context, who api.Actor, tenant string, pre api.Precondition, m move) (*api.Rollout, error) {
	if _, err := c.govern(ctx, tenant); err != nil {
		return nil, err // nobody waits for a tenant that is not there
	}
	leave, err := c.locks.enter(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, err := c.govern(ctx, tenant)
	if err != nil {
		return nil, err
	}
	planned, err := makeMove(s.record, pre, m)
	if errors.Is(err, errUnchanged) { // in force too, should that have failed before
		if err := c.enforce(ctx, tenant); err != nil {
			return nil, err
		}
		return c.Rollout(ctx, tenant)
	}
	if err != nil {
		return nil, err
	}
	if !planned.back {
		if err := c.mayChange(who, tenant); err != nil {
			return nil, err
		}
	}
	if err := c.try(ctx, tenant, planned.try); err != nil {
		return nil, err
	}
	if err := c.keep(ctx, who, s); err != nil {
		return nil, err
	}
	if err := c.keepMove(ctx, who, tenant, pre, m, planned.try); err != nil {
		return nil, err
	}
	if err := c.enforce(ctx, tenant); err != nil {
		return nil, err
	}
	return c.Rollout(ctx, tenant)
}

// makeMove makes a move where the precondition holds.
func makeMove(t *store.Tenant, pre api.Precondition, m move) (moveResult, error) {
	if err := check(pre, rolloutTag(t), true); err != nil {
		return moveResult{}, err
	}
	return m(t)
}

// try has a release loaded; nil: there is nothing to load.
func (c *Control) try(ctx context.Context, tenant string, r *spec.Release) error {
	if r == nil {
		return nil
	}
	wasm, err := c.store.Module(ctx, r.Digest)
	if err != nil {
		return kept(err, "read policy "+policy.ShortDigest(r.Digest))
	}
	return refused(c.runtime.Try(ctx, tenant, wasm, *r), "try policy "+policy.ShortDigest(r.Digest))
}

// keepMove makes the move again, of what the store has by now.
func (c *Control) keepMove(ctx context.Context, who api.Actor, tenant string, pre api.Precondition, m move, tried *spec.Release) error {
	_, err := c.store.Update(ctx, tenant, func(t *store.Tenant) (store.Entry, error) {
		// The tag is of the Revision before this one: RolloutRevision still is.
		done, err := makeMove(t, pre, m)
		if err != nil {
			return store.Entry{}, err
		}
		if !same(done.try, tried) { // by another process: what came of it has not been tried
			return store.Entry{}, api.NewProblem(api.KindPrecondition, "the rollout has changed meanwhile: look again")
		}
		t.RolloutRevision, t.Changed = t.Revision, c.now()
		return store.Entry{
			At: t.Changed, Actor: who.Name, Tenant: tenant, Action: done.action, Digest: done.digest, Detail: clean(done.detail, maxDetail),
		}, nil
	})
	switch {
	case err == nil:
		c.changed(who, tenant)
		return nil
	case errors.Is(err, errUnchanged):
		return nil
	case errors.Is(err, store.ErrNotFound):
		return noTenant(tenant)
	}
	return kept(err, "keep the rollout of tenant "+tenant)
}
