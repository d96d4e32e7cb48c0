package file

import (
	"context"
	"errors"
	"fmt"

	"idlehost/host/internal/store"
)

// maxKey bounds the IDs of tokens and the names of secrets, in bytes.
const maxKey = 255

func checkKey(kind, key string) error {
	if len(key) < 1 || len(key) > maxKey {
		return fmt.Errorf("%s of %d bytes, want 1 to %d: %w", kind, len(key), maxKey, store.ErrInvalid)
	}
	return nil
}

// PutToken implements store.Store.
func (s *Store) PutToken(ctx context.Context, t *store.Token, e store.Entry) error {
	if err := checkKey("token ID", t.ID); err != nil {
		return err
	}
	err := s.write(ctx, func(tx *txn) error { return tx.putToken(t, e, s.cfg.AuditKept) })
	if err != nil {
		return fmt.Errorf("token %q: %w", t.ID, err)
	}
	return nil
}

func (t *txn) putToken(k *store.Token, e store.Entry, auditKept int) error {
	switch record, err := t.get(bucketTokens, []byte(k.ID)); {
	case err != nil:
		return err
	case record != nil:
		return store.ErrExists
	}
	if k.Tenant != "" {
		if _, err := load[tenant](t, bucketTenants, k.Tenant); err != nil {
			return err
		}
	}
	record, err := encode(k)
	if err != nil {
		return err
	}
	if err := t.note(e, auditKept); err != nil {
		return err
	}
	return errors.Join(
		t.put(bucketTokens, []byte(k.ID), record),
		t.put(bucketTokensTenant, tokenKey(k.Tenant, k.ID), nil))
}

// tokenKey is of bucketTokensTenant. A tenant's name has no zero byte.
func tokenKey(tenant, id string) []byte { return []byte(tenant + "\x00" + id) }

// Token implements store.Store.
func (s *Store) Token(ctx context.Context, id string) (found *store.Token, err error) {
	err = s.read(ctx, func(t *txn) (err error) {
		found, err = load[store.Token](t, bucketTokens, id)
		return err
	})
	return found, err
}

// Tokens implements store.Store.
func (s *Store) Tokens(ctx context.Context, tenant string) (all []*store.Token, err error) {
	err = s.read(ctx, func(t *txn) error {
		ids, err := t.tokenIDs(tenant)
		if err != nil {
			return err
		}
		for _, id := range ids {
			k, err := load[store.Token](t, bucketTokens, id)
			if err != nil {
				return err
			}
			all = append(all, k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// tokenIDs returns the tokens of a tenant, in order.
func (t *txn) tokenIDs(tenant string) (ids []string, err error) {
	if tenant != "" && store.CheckName(tenant) != nil {
		return nil, nil
	}
	err = t.keys(bucketTokensTenant, tokenKey(tenant, ""), func(id []byte) error {
		ids = append(ids, string(id))
		return nil
	})
	return ids, err
}

// DeleteToken implements store.Store.
func (s *Store) DeleteToken(ctx context.Context, id string, e store.Entry) error {
	return s.write(ctx, func(t *txn) error {
		k, err := load[store.Token](t, bucketTokens, id)
		if err != nil {
			return err
		}
		if err := t.note(e, s.cfg.AuditKept); err != nil {
			return err
		}
		return t.dropToken(k.Tenant, id)
	})
}

func (t *txn) dropToken(tenant, id string) error {
	return errors.Join(
		t.drop(bucketTokens, []byte(id)),
		t.drop(bucketTokensTenant, tokenKey(tenant, id)))
}
