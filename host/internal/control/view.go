package control

import (
	"context"
	"errors"
	"reflect"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// tenantView is a tenant as both the configuration file and the store have it.
type tenantView struct {
	name string
	// declared is what the file says; nil: it does not know the tenant.
	declared *api.Tenant
	// record is the store's. One that is not kept (yet) has Revision 0.
	record *store.Tenant
	// fixed says that the file names its policy.
	fixed bool
}

// declared finds a tenant of the configuration file.
func (c *Control) declared(name string) *api.Tenant {
	list := c.runtime.Declared()
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// find returns a tenant; KindNotFound. One that the file had declared, and does
// not any more, is gone: its record waits in case that the file names it again.
func (c *Control) find(ctx context.Context, name string) (*tenantView, error) {
	if store.CheckName(name) != nil {
		return nil, noTenant(name)
	}
	s := &tenantView{name: name, declared: c.declared(name)}
	s.fixed = s.declared != nil && c.runtime.HasDeclaredPolicy(name)
	if c.store != nil {
		t, err := c.store.Tenant(ctx, name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, kept(err, "read tenant "+name)
		}
		if err == nil && (s.declared != nil || !t.Declared) {
			s.record = t
		}
	}
	switch {
	case s.record != nil:
	case s.declared == nil:
		return nil, noTenant(name)
	default:
		s.record = &store.Tenant{Name: name, Declared: true}
	}
	return s, nil
}

// change finds a tenant whose record is to be changed.
func (c *Control) change(ctx context.Context, name string) (*tenantView, error) {
	s, err := c.find(ctx, name)
	if err == nil && c.store == nil {
		return nil, noStore()
	}
	return s, err
}

// govern finds a tenant whose policies are to be changed: those of the
// configuration file are not.
func (c *Control) govern(ctx context.Context, name string) (*tenantView, error) {
	s, err := c.change(ctx, name)
	if err == nil && s.fixed {
		return nil, isDeclared(name, "the policy")
	}
	return s, err
}

// keep makes the record of a declared tenant, which is kept from its first
// change on.
func (c *Control) keep(ctx context.Context, who api.Actor, s *tenantView) error {
	if s.record.Revision != 0 {
		return nil
	}
	now := c.now()
	t := &store.Tenant{Name: s.name, Declared: true, Created: now, Changed: now}
	err := c.store.Create(ctx, t, store.Entry{
		At: now, Actor: who.Name, Tenant: s.name, Action: "tenant.record", Detail: "the configuration file declares it",
	})
	if errors.Is(err, store.ErrExists) {
		return nil // another process was faster
	}
	return kept(err, "make the record of tenant "+s.name)
}

// spec is what the operator has decided, in the file or in the store.
func (s *tenantView) spec() spec.Spec {
	if s.declared == nil {
		return s.record.Spec
	}
	decided := s.declared.Spec
	decided.RequireSignature = s.requires()
	return decided
}

// requires reports whether uploads must be signed.
func (s *tenantView) requires() bool {
	return s.record.Spec.RequireSignature || s.declared != nil && s.declared.Spec.RequireSignature
}

// tag is that of the tenant's Spec.
func (s *tenantView) tag() string { return revisionTag('s', s.record.SpecRevision) }

// rolloutTag is that of a rollout. One that has never been used has the same
// whether or not there is a record yet.
func rolloutTag(t *store.Tenant) string {
	if reflect.ValueOf(t.Rollout).IsZero() {
		return revisionTag('r', 0)
	}
	return revisionTag('r', t.RolloutRevision)
}

// show makes what the API shows of a tenant.
func (s *tenantView) show(open int) *api.Tenant {
	t := &api.Tenant{
		Name: s.name, Declared: s.declared != nil, Created: s.record.Created, Changed: s.record.Changed,
		Spec: s.spec(), Open: open, ETag: s.tag(),
	}
	switch {
	case s.fixed:
		t.Active = s.declared.Active
	case s.record.Rollout.Active != nil:
		t.Active = s.record.Rollout.Active.Digest
	}
	return t
}
