package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
)

// maxName bounds what a version is called, in bytes.
const maxName = 100

// MayUpload says whether the tenant may upload now. It waits while the tenant
// uploads something else already.
func (c *Control) MayUpload(ctx context.Context, tenant string) (release func(), err error) {
	// First, because it takes no time, and who is refused for it comes again.
	if err := c.pays(tenant); err != nil {
		return nil, err
	}
	if _, err := c.govern(ctx, tenant); err != nil {
		return nil, err
	}
	release, err = c.uploads.enter(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := c.pays(tenant); err != nil { // what was before it in the line has cost something
		release()
		return nil, err
	}
	return release, nil
}

// pays is KindRate while the tenant has used up its load quota.
func (c *Control) pays(tenant string) error {
	d := c.runtime.RetryAfter(tenant)
	if d <= 0 {
		return nil
	}
	p := api.NewProblem(api.KindRate, "loading policies has cost tenant %s what it may use: try again in %s", tenant, d.Round(time.Millisecond))
	p.RetryAfter = d
	return p
}

// Upload checks and keeps a policy.
func (c *Control) Upload(ctx context.Context, who api.Actor, tenant string, u api.Upload) (p *api.Policy, created bool, err error) {
	s, err := c.govern(ctx, tenant)
	if err != nil {
		return nil, false, err
	}
	if err := c.checkUpload(tenant, u); err != nil {
		return nil, false, err
	}
	if err := c.mayChange(who, tenant); err != nil {
		return nil, false, err
	}
	v := store.Version{Digest: policy.Digest(u.Wasm), Name: u.Name, Size: len(u.Wasm), By: who.Name}
	if v.Name == "" {
		v.Name = policy.ShortDigest(v.Digest)
	}
	signer, err := s.signer(u)
	if err != nil {
		c.refuse(ctx, who, tenant, v.Digest, err)
		return nil, false, err
	}
	v.SignedBy = signer.ID
	known, err := c.admit(ctx, who, s, v, u.Wasm)
	if err != nil {
		c.refuse(ctx, who, tenant, v.Digest, err)
		return nil, false, err
	}
	created, err = c.addVersion(ctx, tenant, v, signer)
	if err != nil {
		return nil, false, err
	}
	if created {
		c.changed(who, tenant)
	}
	p, err = c.Policy(ctx, tenant, v.Digest)
	if err != nil {
		return nil, false, err
	}
	p.Known = known
	return p, created, nil
}

func (c *Control) checkUpload(tenant string, u api.Upload) error {
	if len(u.Wasm) == 0 {
		return invalid("body", "the upload is empty")
	}
	l, err := c.runtime.Effective(tenant)
	if err != nil {
		return refused(err, "limits of tenant "+tenant)
	}
	if l.UploadBytes > 0 && len(u.Wasm) > l.UploadBytes {
		return api.NewProblem(api.KindTooLarge, "the module has %d bytes, at most %d", len(u.Wasm), l.UploadBytes)
	}
	return checkLine("name", u.Name, maxName)
}

// admit has a module that the host does not know checked, and puts it into the
// store either way, where its grace begins anew: it is not swept before a
// version names it. Other tenants that upload the same are shown the report of
// this check: it calls the module by its digest, not as this tenant does. There
// must be room on the disk before anything is checked.
func (c *Control) admit(ctx context.Context, who api.Actor, s *tenantView, v store.Version, wasm []byte) (known bool, err error) {
	p, err := c.store.Policy(ctx, v.Digest)
	if known = err == nil; !known {
		if !errors.Is(err, store.ErrNotFound) {
			return false, kept(err, "read policy "+policy.ShortDigest(v.Digest))
		}
		p = &store.Policy{Digest: v.Digest, Size: len(wasm), Added: c.now()}
	}
	claim := claim{c: c, tenant: s.name, digest: v.Digest, module: len(wasm)}
	defer claim.release()
	if err := claim.extend(ctx, len(p.Report)); err != nil {
		return known, err
	}
	if !known {
		if p.Report, err = c.runtime.Check(ctx, s.name, policy.ShortDigest(v.Digest), wasm); err != nil {
			return false, refused(err, "check a policy")
		}
		if err := claim.extend(ctx, len(p.Report)); err != nil {
			return false, err
		}
	}
	if err := c.keep(ctx, who, s); err != nil {
		return known, err
	}
	err = c.store.PutPolicy(ctx, s.name, p, wasm)
	if errors.Is(err, store.ErrNotFound) {
		return known, noTenant(s.name)
	}
	return known, kept(err, "keep policy "+policy.ShortDigest(v.Digest))
}

// errFull says that a tenant has as many versions as it may.
var errFull = errors.New("as many versions as there may be")

// addVersion names the module as a version of the tenant. One that it has
// stays as it is, but for a signature that it lacks.
func (c *Control) addVersion(ctx context.Context, tenant string, v store.Version, k store.Key) (created bool, err error) {
	for {
		_, err = c.store.Update(ctx, tenant, func(t *store.Tenant) (e store.Entry, err error) {
			v.Uploaded = c.now()
			e, created, err = nameVersion(t, v, k)
			return e, err
		})
		switch {
		case errors.Is(err, errFull):
			if err := c.makeRoom(ctx, v.By, tenant); err != nil {
				return false, err
			}
			continue
		case errors.Is(err, errUnchanged):
			return false, nil
		case errors.Is(err, store.ErrNotFound):
			return false, noTenant(tenant)
		}
		return created, kept(err, "keep policy of tenant "+tenant)
	}
}

// nameVersion adds v to t, whose keys may have changed since the signature was
// verified.
func nameVersion(t *store.Tenant, v store.Version, k store.Key) (e store.Entry, created bool, err error) {
	if err := stillSigned(t, k); err != nil {
		return e, false, err
	}
	e = store.Entry{At: v.Uploaded, Actor: v.By, Tenant: t.Name, Digest: v.Digest, Action: "policy.upload", Detail: v.Name}
	if k.ID != "" {
		e.Detail += ", signed by " + k.ID
	}
	for i := range t.Versions {
		old := &t.Versions[i]
		if old.Digest != v.Digest {
			continue
		}
		if k.ID == "" || old.SignedBy != "" {
			return e, false, errUnchanged
		}
		old.SignedBy, e.Action, t.Changed = k.ID, "policy.sign", e.At
		return e, false, nil
	}
	if len(t.Versions) >= maxVersions {
		return e, false, errFull
	}
	t.Versions, t.Changed = append(t.Versions, v), e.At
	return e, true, nil
}

// makeRoom removes the oldest version that nothing needs.
func (c *Control) makeRoom(ctx context.Context, by, tenant string) error {
	_, err := c.store.Update(ctx, tenant, func(t *store.Tenant) (store.Entry, error) {
		if len(t.Versions) < maxVersions {
			return store.Entry{}, errUnchanged
		}
		for _, v := range t.Versions {
			if needs(t, v.Digest) != "" {
				continue
			}
			e := store.Entry{
				At: c.now(), Actor: by, Tenant: tenant, Action: "policy.delete", Digest: v.Digest,
				Detail: fmt.Sprintf("%s, the oldest of %d, made room", v.Name, len(t.Versions)),
			}
			t.Changed = e.At
			drop(t, v.Digest)
			return e, nil
		}
		return store.Entry{}, api.NewProblem(api.KindConflict, "tenant %s has %d policies, and needs them all: delete one", tenant, len(t.Versions))
	})
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case errors.Is(err, store.ErrNotFound):
		return noTenant(tenant)
	}
	return kept(err, "make room for a policy of tenant "+tenant)
}
