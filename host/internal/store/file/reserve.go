package file

import (
	"os"

	"go.etcd.io/bbolt"
)

// reservedBytes are set aside on the disk behind what the database uses, so that
// rollouts, tokens and the audit log go on where the disk is full: a change
// takes some 20 KB until the next one.
const reservedBytes = 2 << 20

// reserve keeps blocks of the disk for the database to grow into. It is the
// writer's.
type reserve struct {
	until int64 // bytes of the file that have blocks
}

// keep sets more aside where half of it is used. On a disk that is full already
// that fails, and is tried again with the next change.
func (r *reserve) keep(f *os.File, db *bbolt.DB) {
	used, err := usedBytes(db)
	if err != nil || used+reservedBytes/2 < r.until {
		return
	}
	if preallocate(f, used+reservedBytes) == nil {
		r.until = used + reservedBytes
	}
}

// usedBytes is the end of the last page that the database uses.
func usedBytes(db *bbolt.DB) (n int64, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		n = tx.Size()
		return nil
	})
	return n, err
}
