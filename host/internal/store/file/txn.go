package file

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"idlehost/host/internal/store"
)

// The buckets of the database, all at its root. Keys are text unless it says
// otherwise; values are sealed, and JSON unless it says otherwise.
const (
	bucketMeta         = "meta"          // see meta.go
	bucketTenants      = "tenants"       // by name: tenant
	bucketPolicies     = "policies"      // by digest: policyRecord
	bucketTokens       = "tokens"        // by ID: store.Token
	bucketTokensTenant = "tokens.tenant" // tenant, 0, ID: empty
	bucketAudit        = "audit"         // Seq in 8 bytes, big-endian: store.Entry
	bucketAuditTenant  = "audit.tenant"  // tenant, 0, Seq as above: empty
	bucketSecrets      = "secrets"       // by name: 32 bytes
)

// buckets returns the names of all buckets of this format.
func buckets() []string {
	return []string{bucketMeta, bucketTenants, bucketPolicies, bucketTokens, bucketTokensTenant,
		bucketAudit, bucketAuditTenant, bucketSecrets}
}

// txn is a transaction whose values are sealed. What it returns lives as long
// as it does.
type txn struct {
	tx *bbolt.Tx
	// dirty says that the change under way has written: an error from now on
	// undoes the transaction as a whole.
	dirty bool
	// touched are tenants that the change under way has changed.
	touched []string
	// sized is what tenants pay for after the change under way.
	sized []tenantUsage
}

// get returns a record, nil where there is none.
func (t *txn) get(bucket string, key []byte) ([]byte, error) {
	value := t.tx.Bucket([]byte(bucket)).Get(key)
	if value == nil {
		return nil, nil
	}
	return t.open(bucket, key, value)
}

func (t *txn) open(bucket string, key, value []byte) ([]byte, error) {
	record, err := unseal(bucket, key, value)
	if err != nil {
		return nil, fmt.Errorf("%s: damaged at %s %q: %w", t.tx.DB().Path(), bucket, key, err)
	}
	return record, nil
}

func (t *txn) put(bucket string, key, record []byte) error {
	t.dirty = true
	b := t.tx.Bucket([]byte(bucket))
	b.FillPercent = fill
	return b.Put(key, seal(bucket, key, record))
}

func (t *txn) drop(bucket string, key []byte) error {
	t.dirty = true
	return t.tx.Bucket([]byte(bucket)).Delete(key)
}

// keys calls f with the rest of every key that begins with prefix, in order.
func (t *txn) keys(bucket string, prefix []byte, f func(rest []byte) error) error {
	c := t.tx.Bucket([]byte(bucket)).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix) && k != nil; k, v = c.Next() {
		if _, err := t.open(bucket, k, v); err != nil {
			return err
		}
		if err := f(k[len(prefix):]); err != nil {
			return err
		}
	}
	return nil
}

// each calls f for the JSON record of every key after one, until f returns false.
func each[T any](ctx context.Context, t *txn, bucket, after string, f func(*T) bool) error {
	c := t.tx.Bucket([]byte(bucket)).Cursor()
	from := []byte(after)
	if after != "" {
		from = append(from, 0) // the smallest key that is larger
	}
	for k, value := c.Seek(from); k != nil; k, value = c.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		record, err := t.open(bucket, k, value)
		if err != nil {
			return err
		}
		v, err := decode[T](t, bucket, k, record)
		if err != nil || !f(v) {
			return err
		}
	}
	return nil
}

// load returns the JSON record of a key; store.ErrNotFound.
func load[T any](t *txn, bucket, key string) (*T, error) {
	record, err := t.get(bucket, []byte(key))
	if err != nil {
		return nil, err
	}
	if record == nil {
		return nil, fmt.Errorf("%s %q: %w", noun(bucket), key, store.ErrNotFound)
	}
	return decode[T](t, bucket, []byte(key), record)
}

func decode[T any](t *txn, bucket string, key, record []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(record, v); err != nil {
		return nil, fmt.Errorf("%s: damaged at %s %q: %w", t.tx.DB().Path(), bucket, key, err)
	}
	return v, nil
}

// encode returns what is kept of v. It is called before anything is written.
func encode(v any) ([]byte, error) {
	record, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, store.ErrInvalid)
	}
	return record, nil
}

// noun names what a bucket holds, for errors.
func noun(bucket string) string {
	switch bucket {
	case bucketTenants:
		return "tenant"
	case bucketPolicies:
		return "policy"
	case bucketTokens:
		return "token"
	}
	return bucket
}
