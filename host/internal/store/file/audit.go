package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"idlehost/host/internal/store"
)

// Note implements store.Store.
func (s *Store) Note(ctx context.Context, e store.Entry) error {
	err := s.write(ctx, func(t *txn) error { return t.note(e, s.cfg.AuditKept) })
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// note appends an entry and drops old ones beyond those kept. It fails before
// it writes anything, or as a failure of the medium.
func (t *txn) note(e store.Entry, kept int) error {
	if e.Tenant != "" {
		if err := store.CheckName(e.Tenant); err != nil {
			return fmt.Errorf("audit entry: %w", err)
		}
	}
	last, err := t.count(metaAudit)
	if err != nil {
		return err
	}
	e.Seq = last + 1
	record, err := encode(&e)
	if err != nil {
		return fmt.Errorf("audit entry: %w", err)
	}
	return errors.Join(
		t.setCount(metaAudit, e.Seq),
		t.put(bucketAudit, seqKey("", e.Seq), record),
		t.put(bucketAuditTenant, seqKey(e.Tenant+"\x00", e.Seq), nil),
		t.trim(e.Seq, kept))
}

// seqKey returns a Seq as it is sorted, behind a prefix.
func seqKey(prefix string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefix), seq)
}

func (t *txn) entry(k, v []byte) (*store.Entry, error) {
	record, err := t.open(bucketAudit, k, v)
	if err != nil {
		return nil, err
	}
	return decode[store.Entry](t, bucketAudit, k, record)
}

// Audit implements store.Store.
func (s *Store) Audit(ctx context.Context, tenant string, before uint64, limit int) (all []store.Entry, err error) {
	if tenant != "" && store.CheckName(tenant) != nil {
		return nil, s.read(ctx, func(*txn) error { return nil })
	}
	err = s.read(ctx, func(t *txn) error {
		return t.backward(tenant, before, func(e *store.Entry) error {
			if all = append(all, *e); len(all) == limit {
				return errEnough
			}
			return ctx.Err()
		})
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return all, nil
}

var errEnough = errors.New("enough")

// backward calls f for the entries below before, the newest first.
func (t *txn) backward(tenant string, before uint64, f func(*store.Entry) error) error {
	if before == 0 {
		before = ^uint64(0)
	}
	audit, bucket, prefix := t.tx.Bucket([]byte(bucketAudit)), bucketAudit, ""
	if tenant != "" {
		bucket, prefix = bucketAuditTenant, tenant+"\x00"
	}
	c := t.tx.Bucket([]byte(bucket)).Cursor()
	for k, _ := seekBelow(c, seqKey(prefix, before)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Prev() {
		seq := k[len(prefix):]
		e, err := t.entry(seq, audit.Get(seq))
		if err == nil {
			err = f(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// seekBelow moves to the last key below one.
func seekBelow(c *bbolt.Cursor, key []byte) (k, v []byte) {
	if k, _ = c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}
