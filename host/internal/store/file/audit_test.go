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

// TestAuditOfALoudTenant: it loses its own history, and nobody else's.
func TestAuditOfALoudTenant(t *testing.T) {
	const kept = 2 * trimEvery
	s, err := Open(t.TempDir(), Config{AuditKept: kept})
	must(t, err)
	defer s.Close()
	note := func(tenant string, n int) {
		for range n {
			must(t, s.Note(t.Context(), store.Entry{Tenant: tenant, Action: "x"}))
		}
	}
	note("", 3)
	note("quiet", 5)
	note("loud", 2*kept)
	note("quiet", 1)
	note("loud", kept)
	all, err := s.Audit(t.Context(), "", 0, 0)
	must(t, err)
	if len(all) < kept || len(all) >= kept+kept/trimEvery {
		t.Errorf("%d entries are kept, want %d or a few more", len(all), kept)
	}
	has := map[string]int{}
	for _, e := range all {
		has[e.Tenant]++
	}
	log, err := s.Audit(t.Context(), "loud", 0, 0)
	must(t, err)
	if has[""] != 3 || has["quiet"] != 6 || has["loud"] != len(log) || log[0].Seq != all[0].Seq {
		t.Errorf("entries by tenant: %v, of the loud one's own log %d", has, len(log))
	}
}

// BenchmarkAuditTrim is what an entry takes in a full log, trimming included.
func BenchmarkAuditTrim(b *testing.B) {
	s, err := Open(b.TempDir(), Config{})
	must(b, err)
	defer s.Close()
	fill := func(n int) {
		must(b, s.write(context.Background(), func(tx *txn) error {
			for i := range n {
				if err := tx.note(store.Entry{Tenant: fmt.Sprintf("t%d", i%100), Action: "policy.canary"}, s.cfg.AuditKept); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	fill(s.cfg.AuditKept)
	for b.Loop() {
		fill(1000)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/entry")
}
