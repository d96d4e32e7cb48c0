package file

import (
	"context"
	"errors"
	"fmt"
	"time"

	"idlehost/host/internal/store"
)

// policyRecord is what is kept of a policy.
type policyRecord struct {
	store.Policy
	// Put is when it was uploaded last, by whomever: its grace counts from it.
	Put time.Time `json:"put"`
}

// PutPolicy implements store.Store. The module is there, and synced, before the
// record that names it.
func (s *Store) PutPolicy(ctx context.Context, tenant string, p *store.Policy, wasm []byte) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	kept := policyRecord{Policy: *p, Put: time.Now()}
	kept.Size = len(wasm)
	record, err := encode(&kept)
	if err == nil {
		err = checkModule(p.Digest, wasm)
	}
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	s.modules.RLock()
	defer s.modules.RUnlock()
	if err := s.placeModule(p.Digest, wasm); err != nil {
		return s.failed(fmt.Errorf("policy %s: %w", p.Digest, err))
	}
	h := heldPolicy{Digest: p.Digest, Bytes: policyBytes(len(wasm), len(p.Report)), Put: kept.Put}
	return s.change(ctx, func(t *txn) error { return t.putPolicy(tenant, h, &kept, record) })
}

func (t *txn) putPolicy(name string, h heldPolicy, kept *policyRecord, record []byte) error {
	var payer *tenant
	if name != "" {
		var err error
		if payer, err = load[tenant](t, bucketTenants, name); err != nil {
			return err
		}
	}
	key := []byte(kept.Digest)
	old, err := t.get(bucketPolicies, key)
	if err != nil {
		return err
	}
	if old != nil {
		there, err := decode[policyRecord](t, bucketPolicies, key, old)
		if err != nil {
			return err
		}
		there.Put = kept.Put
		h.Bytes = policyBytes(there.Size, len(there.Report))
		if record, err = encode(there); err != nil {
			return err
		}
	}
	if payer == nil {
		return t.put(bucketPolicies, key, record)
	}
	payer.hold(h)
	return errors.Join(t.put(bucketPolicies, key, record), t.store(payer))
}

// Policy implements store.Store.
func (s *Store) Policy(ctx context.Context, digest string) (found *store.Policy, err error) {
	err = s.read(ctx, func(t *txn) error {
		kept, err := load[policyRecord](t, bucketPolicies, digest)
		if err == nil {
			found = &kept.Policy
		}
		return err
	})
	return found, err
}
