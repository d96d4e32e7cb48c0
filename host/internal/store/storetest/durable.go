package storetest

import (
	"bytes"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
)

// RunDurable tests what holds when a store is closed and opened again.
func RunDurable(t *testing.T, open Open) {
	t.Run("Everything", func(t *testing.T) { testReopen(t, open) })
	t.Run("Revisions", func(t *testing.T) { testReopenRevisions(t, open) })
	t.Run("Heirs", func(t *testing.T) { testReopenHeirs(t, open) })
}

// testReopen: what was there is there.
func testReopen(t *testing.T, open Open) {
	place := t.TempDir()
	s := open(t, place, long)
	made := full("a")
	must(t, s.Create(t.Context(), made, entry("a", "tenant.create")))
	create(t, s, "b")
	remove(t, s, "b")
	digest := upload(t, s, 1)
	wasm, _ := module(1)
	must(t, s.PutToken(t.Context(), &store.Token{ID: "k", Tenant: "a", Hash: []byte{1}}, entry("a", "token")))
	must(t, states(s).PutState(t.Context(), "a", digest, policy.State{Format: 4, Bytes: []byte("learned")}))
	secret, err := s.Secret(t.Context(), "x")
	must(t, err)
	log, err := s.Audit(t.Context(), "", 0, 0)
	must(t, err)
	for range 3 {
		must(t, s.Close())
		s = open(t, place, long)
		all, err := s.Tenants(t.Context(), "", 0)
		must(t, err)
		same(t, "tenants", all, []*store.Tenant{made})
		back, err := s.Module(t.Context(), digest)
		must(t, err)
		if !bytes.Equal(back, wasm) {
			t.Error("the module has changed")
		}
		k, err := s.Token(t.Context(), "k")
		must(t, err)
		same(t, "token", k, &store.Token{ID: "k", Tenant: "a", Hash: []byte{1}})
		st, err := states(s).State(t.Context(), "a", digest)
		must(t, err)
		if st.Format != 4 || string(st.Bytes) != "learned" {
			t.Errorf("state %+v", st)
		}
		again, err := s.Secret(t.Context(), "x")
		must(t, err)
		if !bytes.Equal(again, secret) {
			t.Error("the secret has changed")
		}
		entries, err := s.Audit(t.Context(), "", 0, 0)
		must(t, err)
		same(t, "audit log", entries, log)
	}
	must(t, s.Close())
}

// testReopenRevisions: numbers are not given twice.
func testReopenRevisions(t *testing.T, open Open) {
	place := t.TempDir()
	revision, seq := uint64(0), uint64(0)
	for range 3 {
		s := open(t, place, long)
		made := create(t, s, "a")
		log, err := s.Audit(t.Context(), "", 0, 1)
		must(t, err)
		if made.Revision <= revision || log[0].Seq <= seq {
			t.Errorf("revision %d after %d, entry %d after %d", made.Revision, revision, log[0].Seq, seq)
		}
		revision, seq = change(t, s, "a").Revision, log[0].Seq
		remove(t, s, "a")
		must(t, s.Close())
	}
}

// testReopenHeirs: what a tenant that is gone has learned stays unseen.
func testReopenHeirs(t *testing.T, open Open) {
	place := t.TempDir()
	_, digest := module(1)
	s := open(t, place, long)
	create(t, s, "a")
	remove(t, s, "a")
	must(t, states(s).PutState(t.Context(), "a", digest, policy.State{Format: 4}))
	must(t, s.Close())
	s = opened(t, open, place, long)
	create(t, s, "a")
	_, err := states(s).State(t.Context(), "a", digest)
	wants(t, err, store.ErrNotFound)
}
