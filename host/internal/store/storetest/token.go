package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/store"
)

func testToken(t *testing.T, s store.Store) {
	create(t, s, "a")
	_, err := s.Token(t.Context(), "id")
	wants(t, err, store.ErrNotFound)
	wants(t, s.DeleteToken(t.Context(), "id", entry("a", "x")), store.ErrNotFound)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	k := &store.Token{ID: "id", Name: "n", Tenant: "a", Hash: []byte{0, 1, 255}, Created: at, By: "b", Expires: at.Add(time.Hour)}
	must(t, s.PutToken(t.Context(), k, entry("a", "token.create")))
	got, err := s.Token(t.Context(), "id")
	must(t, err)
	same(t, "token", got, k)
	got.Hash[0] = 9
	k.Hash[1] = 9
	got, err = s.Token(t.Context(), "id")
	must(t, err)
	if fmt.Sprint(got.Hash) != "[0 1 255]" {
		t.Errorf("hash %v: it was not copied", got.Hash)
	}
	wants(t, s.PutToken(t.Context(), &store.Token{ID: "id"}, entry("", "x")), store.ErrExists)
	must(t, s.DeleteToken(t.Context(), "id", entry("a", "token.revoke")))
	_, err = s.Token(t.Context(), "id")
	wants(t, err, store.ErrNotFound)
	wants(t, s.DeleteToken(t.Context(), "id", entry("a", "x")), store.ErrNotFound)
	must(t, s.PutToken(t.Context(), &store.Token{ID: "id"}, entry("", "x"))) // its ID is free again
}

// testTokenOfNobody: a token never waits for a tenant to be made.
func testTokenOfNobody(t *testing.T, s store.Store) {
	wants(t, s.PutToken(t.Context(), &store.Token{ID: "id", Tenant: "a"}, entry("a", "x")), store.ErrNotFound)
	create(t, s, "a")
	_, err := s.Token(t.Context(), "id")
	wants(t, err, store.ErrNotFound)
}

func testTokens(t *testing.T, s store.Store) {
	for _, n := range []string{"a", "a-b", "b"} {
		create(t, s, n)
	}
	for _, k := range []store.Token{
		{ID: "3", Tenant: "a"}, {ID: "1", Tenant: "a"}, {ID: "2", Tenant: "a-b"}, {ID: "5"}, {ID: "4"},
	} {
		must(t, s.PutToken(t.Context(), &k, entry(k.Tenant, "x")))
	}
	for tenant, want := range map[string]string{"a": "13", "a-b": "2", "b": "", "": "45", "unknown": "", "a\x00": "", "../a": ""} {
		all, err := s.Tokens(t.Context(), tenant)
		must(t, err)
		got := ""
		for _, k := range all {
			got += k.ID
			if k.Tenant != tenant {
				t.Errorf("tokens of %q have one of %q", tenant, k.Tenant)
			}
		}
		if got != want {
			t.Errorf("tokens of %q: %q, want %q", tenant, got, want)
		}
	}
	must(t, s.DeleteToken(t.Context(), "1", entry("a", "x")))
	if all, err := s.Tokens(t.Context(), "a"); err != nil || len(all) != 1 || all[0].ID != "3" {
		t.Errorf("after a revocation: %v, %v", all, err)
	}
}

func testTokenValues(t *testing.T, s store.Store) {
	wants(t, s.PutToken(t.Context(), &store.Token{}, entry("", "x")), store.ErrInvalid)
	wants(t, s.PutToken(t.Context(), &store.Token{ID: strings.Repeat("x", 100_000)}, entry("", "x")), store.ErrInvalid)
	wants(t, s.PutToken(t.Context(), &store.Token{ID: "late", Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, entry("", "x")), store.ErrInvalid)
	for _, id := range []string{"", "\x00", strings.Repeat("x", 100_000)} {
		_, err := s.Token(t.Context(), id)
		wants(t, err, store.ErrNotFound)
	}
}
