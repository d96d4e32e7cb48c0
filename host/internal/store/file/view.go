package file

import (
	"context"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// view runs f in a transaction that only reads. It waits for no sync. Pages
// that are damaged, or gone from under the mapping, are an error.
func (s *Store) view(f func(*txn) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: damaged: %v", s.path(dbName), r)
		}
	}()
	return s.db.View(func(tx *bbolt.Tx) error { return f(&txn{tx: tx}) })
}

// read is view for a method: it counts the caller.
func (s *Store) read(ctx context.Context, f func(*txn) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	return s.view(f)
}

// write is change for a method: it counts the caller.
func (s *Store) write(ctx context.Context, do func(*txn) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	return s.change(ctx, do)
}
