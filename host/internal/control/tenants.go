package control

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// Bounds of a page of a list.
const (
	defaultPage = 100
	maxPage     = 1000
)

// pageSize checks how many items are asked for. 0: 100; more than 1000 are not
// given at once.
func pageSize(limit int) (int, error) {
	switch {
	case limit < 0:
		return 0, invalid("limit", "limit %d is negative", limit)
	case limit == 0:
		return defaultPage, nil
	}
	return min(limit, maxPage), nil
}

// Tenants lists tenants by name, those after the one named.
func (c *Control) Tenants(ctx context.Context, after string, limit int) (api.Page[api.Tenant], error) {
	page := api.Page[api.Tenant]{Items: []api.Tenant{}}
	limit, err := pageSize(limit)
	if err != nil {
		return page, err
	}
	stored, err := c.storedNames(ctx, after, limit+1)
	if err != nil {
		return page, err
	}
	names := stored
	for _, d := range c.runtime.Declared() {
		if d.Name > after {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if len(page.Items) == limit {
			page.Next = page.Items[limit-1].Name
			break
		}
		t, err := c.Tenant(ctx, name)
		if gone(err) {
			continue // meanwhile
		}
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, *t)
	}
	return page, nil
}

// gone reports whether err says that a tenant is not there.
func gone(err error) bool {
	var p *api.Problem
	return errors.As(err, &p) && p.Type == api.TypePrefix+api.KindNotFound
}

// storedNames returns up to limit names from the store, without those that the
// file no longer declares.
func (c *Control) storedNames(ctx context.Context, after string, limit int) (names []string, err error) {
	if c.store == nil {
		return nil, nil
	}
	for {
		list, err := c.store.Tenants(ctx, after, limit)
		if err != nil {
			return nil, kept(err, "list tenants")
		}
		for _, t := range list {
			after = t.Name
			if !t.Declared || c.declared(t.Name) != nil {
				names = append(names, t.Name)
			}
		}
		if len(list) < limit || len(names) >= limit {
			return names, nil
		}
	}
}

// Tenant shows a tenant.
func (c *Control) Tenant(ctx context.Context, name string) (*api.Tenant, error) {
	s, err := c.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.show(c.runtime.Open(name)), nil
}

// PutTenant creates a tenant, or replaces its Spec.
func (c *Control) PutTenant(ctx context.Context, who api.Actor, name string, given spec.Spec, pre api.Precondition) (t *api.Tenant, created bool, err error) {
	if err := store.CheckName(name); err != nil {
		return nil, false, invalid("name", "%q is no name of a tenant: 1 to 63 of a-z, 0-9 and -, a letter or digit first and last", clean(name, 63))
	}
	if c.store == nil {
		return nil, false, noStore()
	}
	wanted, err := readSpec(given)
	if err != nil {
		return nil, false, err
	}
	leave, err := c.locks.enter(ctx, name)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	s, err := c.find(ctx, name)
	switch {
	case err == nil && s.declared != nil:
		return nil, false, isDeclared(name, "the hosts, upstreams and limits")
	case err == nil:
		t, err = c.replaceSpec(ctx, who, s, wanted, pre)
		return t, false, err
	case !gone(err):
		return nil, false, err
	case name == reserved:
		return nil, false, isDeclared(name, "the whole")
	}
	if err := check(pre, "", false); err != nil {
		return nil, false, err
	}
	t, err = c.createTenant(ctx, who, name, wanted)
	return t, err == nil, err
}

// reserved is the usual name of the operator's own tenant, which a change of
// the configuration may bring back.
const reserved = "default"

// createTenant adds a tenant. The caller holds its lock.
func (c *Control) createTenant(ctx context.Context, who api.Actor, name string, wanted spec.Spec) (*api.Tenant, error) {
	release, err := c.free(name, wanted)
	if err != nil {
		return nil, err
	}
	defer release()
	// What a tenant of this name has left, that the file declared once, is not
	// this one's: its tokens least of all.
	err = c.store.Delete(ctx, name, func(t *store.Tenant) (store.Entry, error) {
		if !t.Declared {
			return store.Entry{}, api.NewProblem(api.KindPrecondition, "it is there already")
		}
		return store.Entry{At: c.now(), Actor: who.Name, Tenant: name, Action: "tenant.delete",
			Detail: "the configuration file had declared it once"}, nil
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, kept(err, "create tenant "+name)
	}
	now := c.now()
	err = c.store.Create(ctx, &store.Tenant{
		Name: name, Created: now, Changed: now, Spec: wanted,
	}, store.Entry{At: now, Actor: who.Name, Tenant: name, Action: "tenant.create", Detail: clean(strings.Join(wanted.Hosts, " "), maxDetail)})
	if errors.Is(err, store.ErrExists) {
		return nil, api.NewProblem(api.KindPrecondition, "it is there already")
	}
	if err != nil {
		return nil, kept(err, "create tenant "+name)
	}
	if err := c.enforce(ctx, name); err != nil {
		return nil, err
	}
	return c.Tenant(ctx, name)
}

// free makes sure that nobody else has, or is given, what a Spec names. The
// answer holds until release.
func (c *Control) free(name string, wanted spec.Spec) (release func(), err error) {
	release, err = c.reserved.reserve(name, wanted)
	if err != nil {
		return nil, err
	}
	if err := c.runtime.CheckSpec(wanted, name); err != nil {
		release()
		return nil, refused(err, "check tenant "+name)
	}
	return release, nil
}

// replaceSpec changes a tenant that the store has. The caller holds its lock.
func (c *Control) replaceSpec(ctx context.Context, who api.Actor, s *tenantView, wanted spec.Spec, pre api.Precondition) (*api.Tenant, error) {
	if err := required(pre, s.tag()); err != nil {
		return nil, err
	}
	release, err := c.free(s.name, wanted)
	if err != nil {
		return nil, err
	}
	defer release()
	_, err = c.store.Update(ctx, s.name, func(t *store.Tenant) (store.Entry, error) {
		if err := check(pre, revisionTag('s', t.SpecRevision), true); err != nil {
			return store.Entry{}, err
		}
		changed := differences(t.Spec, wanted)
		if len(changed) == 0 {
			return store.Entry{}, errUnchanged
		}
		t.Spec, t.SpecRevision, t.Changed = wanted, t.Revision, c.now()
		return store.Entry{At: t.Changed, Actor: who.Name, Tenant: s.name, Action: "tenant.change", Detail: strings.Join(changed, " ")}, nil
	})
	switch err = kept(err, "change tenant "+s.name); {
	case errors.Is(err, store.ErrNotFound):
		return nil, noTenant(s.name)
	case err != nil && !errors.Is(err, errUnchanged):
		return nil, err
	}
	// What is unchanged too, should it have failed to be in force before.
	if err := c.enforce(ctx, s.name); err != nil {
		return nil, err
	}
	return c.Tenant(ctx, s.name)
}

// differences names the parts in which two Specs differ, for the audit log.
func differences(a, b spec.Spec) (parts []string) {
	old, now := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range old.NumField() {
		if !reflect.DeepEqual(old.Field(i).Interface(), now.Field(i).Interface()) {
			name, _, _ := strings.Cut(old.Type().Field(i).Tag.Get("json"), ",")
			parts = append(parts, name)
		}
	}
	return parts
}

// DeleteTenant removes a tenant with all that is its own.
func (c *Control) DeleteTenant(ctx context.Context, who api.Actor, name string, pre api.Precondition) error {
	if _, err := c.change(ctx, name); err != nil {
		return err
	}
	leave, err := c.locks.enter(ctx, name)
	if err != nil {
		return err
	}
	defer leave()
	s, err := c.find(ctx, name)
	switch {
	case err != nil:
		return err
	case s.declared != nil:
		return isDeclared(name, "the whole")
	}
	err = c.store.Delete(ctx, name, func(t *store.Tenant) (store.Entry, error) {
		return store.Entry{At: c.now(), Actor: who.Name, Tenant: name, Action: "tenant.delete"},
			required(pre, revisionTag('s', t.SpecRevision))
	})
	if errors.Is(err, store.ErrNotFound) {
		return noTenant(name)
	}
	if err != nil {
		return kept(err, "delete tenant "+name)
	}
	c.refusals.Forget(name)
	c.changes.Forget(name)
	return c.enforce(ctx, name)
}

// Limits shows what a tenant is bound to.
func (c *Control) Limits(ctx context.Context, tenant string) (*api.EffectiveLimits, error) {
	s, err := c.find(ctx, tenant)
	if err != nil {
		return nil, err
	}
	l, err := c.runtime.Effective(tenant)
	if err != nil {
		return nil, refused(err, "limits of tenant "+tenant)
	}
	l.Configured, l.Open = s.spec().Limits, c.runtime.Open(tenant)
	l.RetryAfterSec = seconds(c.runtime.RetryAfter(tenant))
	return &l, nil
}
