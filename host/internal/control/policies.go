package control

import (
	"context"
	"errors"
	"slices"

	"idlehost/host/internal/api"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// maxVersions bounds what a tenant keeps.
const maxVersions = 100

// Policies lists the versions of a tenant, the newest first.
func (c *Control) Policies(ctx context.Context, tenant string) ([]api.Policy, error) {
	s, err := c.find(ctx, tenant)
	if err != nil {
		return nil, err
	}
	list := make([]api.Policy, 0, len(s.record.Versions))
	for i := range s.record.Versions {
		list = append(list, s.showVersion(&s.record.Versions[i]))
	}
	slices.Reverse(list)
	return list, nil
}

// Policy shows a version with its report.
func (c *Control) Policy(ctx context.Context, tenant, digest string) (*api.Policy, error) {
	s, v, err := c.version(ctx, tenant, digest)
	if err != nil {
		return nil, err
	}
	return c.showPolicy(ctx, s, v)
}

func (c *Control) version(ctx context.Context, tenant, digest string) (*tenantView, *store.Version, error) {
	s, err := c.find(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	v, err := version(s.record, digest)
	return s, v, err
}

func (c *Control) showPolicy(ctx context.Context, s *tenantView, v *store.Version) (*api.Policy, error) {
	p, err := c.store.Policy(ctx, v.Digest)
	if err != nil {
		return nil, kept(err, "read policy "+policy.ShortDigest(v.Digest))
	}
	shown := s.showVersion(v)
	shown.Report = p.Report
	return &shown, nil
}

// showVersion makes what the record alone can tell. Reports take 50 KB each,
// and half a millisecond to read: a list has none.
func (s *tenantView) showVersion(v *store.Version) api.Policy {
	return api.Policy{
		Digest: v.Digest, Name: v.Name, Size: v.Size, State: s.state(v),
		Uploaded: v.Uploaded, By: v.By, SignedBy: v.SignedBy,
	}
}

// state is what a version is by what it does, and has done.
func (s *tenantView) state(v *store.Version) string {
	r := s.record.Rollout
	if s.fixed {
		r = spec.Rollout{} // none of it is asked
	}
	is := func(x *spec.Release) bool { return x != nil && x.Digest == v.Digest }
	switch {
	case is(r.Active):
		return api.StateActive
	case is(r.Canary):
		return api.StateCanary
	case is(r.Shadow):
		return api.StateShadow
	case v.Served:
		return api.StateRetired
	}
	return api.StateUploaded
}

// Module returns a version's bytes.
func (c *Control) Module(ctx context.Context, tenant, digest string) (wasm []byte, full string, err error) {
	_, v, err := c.version(ctx, tenant, digest)
	if err != nil {
		return nil, "", err
	}
	wasm, err = c.store.Module(ctx, v.Digest)
	return wasm, v.Digest, kept(err, "read policy "+policy.ShortDigest(v.Digest))
}

// DeletePolicy removes a version that nothing needs.
func (c *Control) DeletePolicy(ctx context.Context, who api.Actor, tenant, digest string) error {
	if _, err := c.change(ctx, tenant); err != nil {
		return err
	}
	leave, err := c.locks.enter(ctx, tenant)
	if err != nil {
		return err
	}
	defer leave()
	s, err := c.change(ctx, tenant)
	if err != nil {
		return err
	}
	if _, err := version(s.record, digest); err != nil {
		return err // a declared tenant may have no record to change
	}
	_, err = c.store.Update(ctx, tenant, func(t *store.Tenant) (store.Entry, error) {
		v, err := version(t, digest)
		if err != nil {
			return store.Entry{}, err
		}
		if need := needs(t, v.Digest); need != "" {
			return store.Entry{}, api.NewProblem(api.KindConflict, "%s is %s", policy.ShortDigest(v.Digest), need)
		}
		e := store.Entry{At: c.now(), Actor: who.Name, Tenant: tenant, Action: "policy.delete", Digest: v.Digest, Detail: v.Name}
		t.Changed = e.At
		drop(t, v.Digest)
		return e, nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return noTenant(tenant)
	}
	return kept(err, "delete policy of tenant "+tenant)
}

// needs says what a version is needed for, or "".
func needs(t *store.Tenant, digest string) string {
	r := t.Rollout
	is := func(x *spec.Release) bool { return x != nil && x.Digest == digest }
	switch {
	case is(r.Active):
		return "the active version"
	case is(r.Canary):
		return "the canary"
	case is(r.Shadow):
		return "the shadow"
	case len(r.Past) > 0 && is(&r.Past[0]):
		return "what a rollback goes back to"
	}
	return ""
}

// drop removes a version that is not needed, from the past as well.
func drop(t *store.Tenant, digest string) {
	t.Versions = slices.DeleteFunc(t.Versions, func(v store.Version) bool { return v.Digest == digest })
	before := len(t.Rollout.Past)
	t.Rollout.Past = slices.DeleteFunc(t.Rollout.Past, func(r spec.Release) bool { return r.Digest == digest })
	if len(t.Rollout.Past) == before {
		return
	}
	t.RolloutRevision = t.Revision
	if len(t.Rollout.Past) == 0 {
		t.Rollout.Past = nil // as one that never was: see rolloutTag
	}
}
