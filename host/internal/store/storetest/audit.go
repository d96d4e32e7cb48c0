package storetest

import (
	"errors"
	"fmt"
	"testing"

	"idlehost/host/internal/store"
)

func testAudit(t *testing.T, s store.Store) {
	log, err := s.Audit(t.Context(), "", 0, 10)
	must(t, err)
	if len(log) != 0 {
		t.Fatalf("an empty store has noted %v", log)
	}
	e := entry("a", "policy.refused")
	e.Digest, e.Detail, e.Seq = "d", "for <people>\n", 77
	must(t, s.Note(t.Context(), e)) // of a tenant that need not be there
	must(t, s.Note(t.Context(), entry("", "start")))
	log, err = s.Audit(t.Context(), "", 0, 10)
	must(t, err)
	if len(log) != 2 {
		t.Fatalf("noted %v", log)
	}
	if log[0].Seq <= log[1].Seq || log[1].Seq == 0 {
		t.Errorf("numbers %d, %d: the newest is first", log[0].Seq, log[1].Seq)
	}
	e.Seq = log[1].Seq
	same(t, "entry", log[1], e)
	for _, bad := range []string{"../a", "a\x00", "A"} {
		wants(t, s.Note(t.Context(), entry(bad, "x")), store.ErrInvalid)
		if log, err := s.Audit(t.Context(), bad, 0, 0); err != nil || len(log) != 0 {
			t.Errorf("the log of %q: %v, %v", bad, log, err)
		}
	}
}

func testAuditPages(t *testing.T, s store.Store) {
	for i := range 20 {
		e := entry([]string{"a", "b", "a-b", ""}[i%4], "x")
		e.Detail = fmt.Sprint(i)
		must(t, s.Note(t.Context(), e))
	}
	// pages returns the details of a tenant's log, read in pages.
	pages := func(tenant string, limit int) (details string) {
		before := uint64(0)
		for range 100 {
			log, err := s.Audit(t.Context(), tenant, before, limit)
			must(t, err)
			if limit > 0 && len(log) > limit {
				t.Errorf("%d entries, want at most %d", len(log), limit)
			}
			for _, e := range log {
				if tenant != "" && e.Tenant != tenant || before != 0 && e.Seq >= before {
					t.Errorf("entry %+v in the log of %q before %d", e, tenant, before)
				}
				before = e.Seq
				details += e.Detail + " "
			}
			if len(log) == 0 || limit == 0 {
				break
			}
		}
		return details
	}
	all := "19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0 "
	for _, limit := range []int{0, 1, 3, 20, 100} {
		for tenant, want := range map[string]string{"": all, "a": "16 12 8 4 0 ", "b": "17 13 9 5 1 ", "a-b": "18 14 10 6 2 ", "c": "", "A": ""} {
			if got := pages(tenant, limit); got != want {
				t.Errorf("log of %q, limit %d: %q, want %q", tenant, limit, got, want)
			}
		}
	}
	first, err := s.Audit(t.Context(), "", 1, 10)
	must(t, err)
	last, err := s.Audit(t.Context(), "a", 1<<63, 1)
	must(t, err)
	if len(first) != 0 || len(last) != 1 || last[0].Detail != "16" {
		t.Errorf("before the first: %v; before the far future: %v", first, last)
	}
}

// testAuditOfChanges: each change has its entry, each refusal none.
func testAuditOfChanges(t *testing.T, s store.Store) {
	create(t, s, "a")
	_ = s.Create(t.Context(), &store.Tenant{Name: "a"}, entry("a", "refused"))
	change(t, s, "a")
	_, _ = s.Update(t.Context(), "a", func(*store.Tenant) (store.Entry, error) { return entry("a", "refused"), errors.New("no") })
	must(t, s.PutToken(t.Context(), &store.Token{ID: "t", Tenant: "a"}, entry("a", "token.create")))
	_ = s.PutToken(t.Context(), &store.Token{ID: "t", Tenant: "a"}, entry("a", "refused"))
	must(t, s.DeleteToken(t.Context(), "t", entry("a", "token.revoke")))
	_ = s.DeleteToken(t.Context(), "t", entry("a", "refused"))
	_ = s.Delete(t.Context(), "a", func(*store.Tenant) (store.Entry, error) { return entry("a", "refused"), errors.New("no") })
	remove(t, s, "a")
	_ = s.Delete(t.Context(), "a", func(*store.Tenant) (store.Entry, error) { return entry("a", "refused"), nil })
	log, err := s.Audit(t.Context(), "a", 0, 0) // of a tenant that is gone
	must(t, err)
	got := ""
	for _, e := range log {
		got += e.Action + " "
	}
	if want := "tenant.delete token.revoke token.create tenant.update tenant.create "; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	// An entry that cannot be kept refuses the change.
	wants(t, s.Create(t.Context(), &store.Tenant{Name: "b"}, entry("../b", "x")), store.ErrInvalid)
	_, err = s.Tenant(t.Context(), "b")
	wants(t, err, store.ErrNotFound)
}
