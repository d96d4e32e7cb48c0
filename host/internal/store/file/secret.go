package file

import (
	"bytes"
	"context"
	"crypto/rand"
)

// secretSize is the length of a secret in bytes.
const secretSize = 32

// Secret implements store.Store.
func (s *Store) Secret(ctx context.Context, name string) (secret []byte, err error) {
	if err := checkKey("secret's name", name); err != nil {
		return nil, err
	}
	find := func(t *txn) error {
		record, err := t.get(bucketSecrets, []byte(name))
		secret = bytes.Clone(record)
		return err
	}
	if err := s.read(ctx, find); err != nil || secret != nil {
		return secret, err
	}
	err = s.write(ctx, func(t *txn) error {
		if err := find(t); err != nil || secret != nil {
			return err // another caller was first
		}
		secret = make([]byte, secretSize)
		_, _ = rand.Read(secret) // never fails
		return t.put(bucketSecrets, []byte(name), secret)
	})
	if err != nil {
		return nil, err
	}
	return secret, nil
}
