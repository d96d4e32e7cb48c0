package file

import (
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
)

// trimEvery is the part of the kept entries that may be added before the log is
// trimmed again: trimming looks at all of them.
const trimEvery = 256

// trim drops entries beyond those kept: each time the oldest of the tenant that
// has most, so that a tenant that changes much loses its own history and no
// other's. last is the newest Seq.
func (t *txn) trim(last uint64, kept int) error {
	if every := uint64(max(kept/trimEvery, 1)); last%every != 0 || last <= uint64(kept) {
		return nil
	}
	shares, total, err := t.auditShares()
	if err != nil {
		return err
	}
	heap.Init(&shares)
	for ; total > kept; total-- {
		if err := t.dropOldest(&shares[0]); err != nil {
			return err
		}
		heap.Fix(&shares, 0)
	}
	return nil
}

// auditShare is what a tenant has in the audit log.
type auditShare struct {
	tenant  string
	entries int
	oldest  uint64 // Seq
}

// auditShares returns what each tenant has, and how many entries there are.
func (t *txn) auditShares() (shares auditShares, total int, err error) {
	c := t.tx.Bucket([]byte(bucketAuditTenant)).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		tenant, seq, ok := bytes.Cut(k, []byte{0})
		if !ok || len(seq) != 8 {
			return nil, 0, fmt.Errorf("%s: key %q has no number", bucketAuditTenant, k)
		}
		if n := len(shares); n == 0 || shares[n-1].tenant != string(tenant) {
			shares = append(shares, auditShare{tenant: string(tenant), oldest: binary.BigEndian.Uint64(seq)})
		}
		shares[len(shares)-1].entries++
		total++
	}
	return shares, total, nil
}

// dropOldest drops a tenant's oldest entry.
func (t *txn) dropOldest(s *auditShare) error {
	prefix := s.tenant + "\x00"
	err := errors.Join(
		t.drop(bucketAudit, seqKey("", s.oldest)),
		t.drop(bucketAuditTenant, seqKey(prefix, s.oldest)))
	if err != nil {
		return err
	}
	s.entries--
	c := t.tx.Bucket([]byte(bucketAuditTenant)).Cursor()
	if k, _ := c.Seek(seqKey(prefix, s.oldest)); bytes.HasPrefix(k, []byte(prefix)) {
		s.oldest = binary.BigEndian.Uint64(k[len(prefix):])
	}
	return nil
}

// auditShares is a heap with the largest share first; of two as large the one
// whose oldest entry is older.
type auditShares []auditShare

func (a auditShares) Len() int      { return len(a) }
func (a auditShares) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a auditShares) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[j].entries, a[i].entries), cmp.Compare(a[i].oldest, a[j].oldest)) < 0
}

// Push is not called: shares only shrink.
func (a *auditShares) Push(any) {}

// Pop is not called either.
func (a *auditShares) Pop() any { return nil }

var _ heap.Interface = (*auditShares)(nil)
