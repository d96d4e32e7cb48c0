package file

import (
	"context"
	"errors"
	"fmt"

	"idlehost/host/internal/store"
)

// tenant is what is kept of a tenant.
type tenant struct {
	store.Tenant
	// Born is the Revision of its creation. It tells a tenant from an earlier
	// one of its name, whose learned states it must not see.
	Born uint64 `json:"born"`
	// Held are the policies that the tenant pays for, in the order in which it
	// first put them. Records of earlier versions of this program may lack some
	// that Versions have.
	Held []heldPolicy `json:"held,omitempty"`
}

// Tenant implements store.Store.
func (s *Store) Tenant(ctx context.Context, name string) (found *store.Tenant, err error) {
	err = s.read(ctx, func(t *txn) error {
		kept, err := load[tenant](t, bucketTenants, name)
		if err == nil {
			found = &kept.Tenant
		}
		return err
	})
	return found, err
}

// Tenants implements store.Store. All of them are of one moment.
func (s *Store) Tenants(ctx context.Context, after string, limit int) (all []*store.Tenant, err error) {
	err = s.read(ctx, func(t *txn) error {
		return each(ctx, t, bucketTenants, after, func(kept *tenant) bool {
			all = append(all, &kept.Tenant)
			return len(all) != limit
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, t *store.Tenant, e store.Entry) error {
	kept := tenant{Tenant: *t}
	err := s.write(ctx, func(tx *txn) error { return tx.create(&kept, e, s.cfg.AuditKept) })
	if err != nil {
		return fmt.Errorf("creating tenant %q: %w", t.Name, err)
	}
	t.Revision, t.SpecRevision, t.RolloutRevision = kept.Revision, kept.SpecRevision, kept.RolloutRevision
	return nil
}

func (t *txn) create(kept *tenant, e store.Entry, auditKept int) error {
	if err := store.CheckName(kept.Name); err != nil {
		return err
	}
	switch record, err := t.get(bucketTenants, []byte(kept.Name)); {
	case err != nil:
		return err
	case record != nil:
		return store.ErrExists
	}
	revision, err := t.count(metaRevision)
	if err != nil {
		return err
	}
	revision++
	kept.Born, kept.Revision, kept.SpecRevision, kept.RolloutRevision = revision, revision, revision, revision
	return t.keep(kept, e, auditKept)
}

// keep writes a tenant with its Revision, which is the newest, and an entry.
func (t *txn) keep(kept *tenant, e store.Entry, auditKept int) error {
	if _, err := encode(kept); err != nil {
		return err
	}
	if err := t.note(e, auditKept); err != nil {
		return err
	}
	t.touched = append(t.touched, kept.Name)
	return errors.Join(t.setCount(metaRevision, kept.Revision), t.store(kept))
}

// store writes a tenant as it is, and has its bytes counted.
func (t *txn) store(kept *tenant) error {
	record, err := encode(kept)
	if err != nil {
		return err
	}
	t.sized = append(t.sized, kept.usage())
	return t.put(bucketTenants, []byte(kept.Name), record)
}

// Update implements store.Store. edit runs once, on the writer's goroutine: it
// must be quick, and not wait for another change.
func (s *Store) Update(ctx context.Context, name string, edit func(*store.Tenant) (store.Entry, error)) (*store.Tenant, error) {
	var kept *tenant
	err := s.write(ctx, func(tx *txn) (err error) {
		kept, err = tx.update(name, edit, s.cfg.AuditKept)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &kept.Tenant, nil
}

func (t *txn) update(name string, edit func(*store.Tenant) (store.Entry, error), auditKept int) (*tenant, error) {
	kept, err := load[tenant](t, bucketTenants, name)
	if err != nil {
		return nil, err
	}
	revision, err := t.count(metaRevision)
	if err != nil {
		return nil, err
	}
	revision++
	kept.Revision = revision
	var e store.Entry
	if err := catchPanic(func() (err error) { e, err = edit(&kept.Tenant); return err }); err != nil {
		return nil, err
	}
	if kept.Name != name {
		return nil, fmt.Errorf("tenant %q: its name was changed to %q: %w", name, kept.Name, store.ErrInvalid)
	}
	kept.Revision = revision
	return kept, t.keep(kept, e, auditKept)
}

// Delete implements store.Store. allow runs as an edit does.
func (s *Store) Delete(ctx context.Context, name string, allow func(*store.Tenant) (store.Entry, error)) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	err := s.change(ctx, func(tx *txn) error { return tx.remove(name, allow, s.cfg.AuditKept) })
	if err != nil {
		return err
	}
	s.forget(name)
	return nil
}

func (t *txn) remove(name string, allow func(*store.Tenant) (store.Entry, error), auditKept int) error {
	kept, err := load[tenant](t, bucketTenants, name)
	if err != nil {
		return err
	}
	revision, err := t.count(metaRevision)
	if err != nil {
		return err
	}
	var e store.Entry
	if err := catchPanic(func() (err error) { e, err = allow(&kept.Tenant); return err }); err != nil {
		return err
	}
	ids, err := t.tokenIDs(name)
	if err != nil {
		return err
	}
	if err := t.note(e, auditKept); err != nil {
		return err
	}
	for _, id := range ids {
		if err := t.dropToken(name, id); err != nil {
			return err
		}
	}
	t.touched = append(t.touched, name)
	t.sized = append(t.sized, tenantUsage{name: name})
	return errors.Join(
		t.setCount(metaRevision, revision+1),
		t.drop(bucketTenants, []byte(name)))
}
