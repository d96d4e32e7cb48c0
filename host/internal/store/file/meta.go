package file

import (
	"encoding/binary"
	"fmt"
)

// The keys of bucketMeta. Counters are kept here, sealed, and not in bbolt's
// sequences, which have no checksum.
const (
	metaFormat   = "format"   // a decimal number, not sealed, so that any version can read it
	metaRevision = "revision" // 8 bytes, little-endian: the last Revision given
	metaAudit    = "audit"    // likewise: the last Seq given
)

// format is the version of what is in the database. Another one is refused.
const format = "1"

// count returns a counter.
func (t *txn) count(key string) (uint64, error) {
	record, err := t.get(bucketMeta, []byte(key))
	if err != nil || record == nil {
		return 0, err
	}
	if len(record) != 8 {
		return 0, fmt.Errorf("%s: damaged at counter %q: %d bytes", t.tx.DB().Path(), key, len(record))
	}
	return binary.LittleEndian.Uint64(record), nil
}

func (t *txn) setCount(key string, n uint64) error {
	return t.put(bucketMeta, []byte(key), binary.LittleEndian.AppendUint64(nil, n))
}
