package file

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"idlehost/host/internal/store"
)

// TestAuditIsBounded: the oldest entries go, from the tenants' logs too, and
// numbers go on. A smaller bound holds from the next entry on.
func TestAuditIsBounded(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Config{AuditKept: 10})
	must(t, err)
	ctx := context.Background()
	add := func(n int) {
		for i := range n {
			must(t, s.Note(ctx, store.Entry{Tenant: []string{"a", "b"}[i%2], Action: "x"}))
		}
	}
	check := func(want int, first uint64) {
		t.Helper()
		total := 0
		for _, tenant := range []string{"a", "b"} {
			log, err := s.Audit(ctx, tenant, 0, 0)
			must(t, err)
			total += len(log)
		}
		log, err := s.Audit(ctx, "", 0, 0)
		must(t, err)
		if len(log) != want || total != want || log[want-1].Seq != first {
			t.Errorf("%d entries, %d by tenant, want %d; the first is %d, want %d", len(log), total, want, log[len(log)-1].Seq, first)
		}
	}
	add(10)
	check(10, 1)
	add(1)
	check(10, 2)
	add(100)
	check(10, 102)
	must(t, s.Close())
	s, err = Open(dir, Config{AuditKept: 3})
	must(t, err)
	check(10, 102)
	add(1)
	check(3, 110)
	must(t, s.Close())
}

// TestTrimKeepsTheFileSmall: pages of entries that are gone are used again.
func TestTrimKeepsTheFileSmall(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Config{AuditKept: 50})
	must(t, err)
	defer s.Close()
	for i := range 300 {
		must(t, s.Note(context.Background(), store.Entry{Tenant: fmt.Sprintf("t%d", i%7), Detail: strings.Repeat("d", 200)}))
	}
	err = s.view(func(tx *txn) error {
		if size := tx.tx.Size(); size > 256<<10 {
			t.Errorf("50 entries take %d bytes", size)
		}
		return nil
	})
	must(t, err)
}
