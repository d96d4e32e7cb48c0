package storetest

import (
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
)

// testUsage: a tenant pays for what it has put, once, whoever else has it; the
// store has it once.
func testUsage(t *testing.T, s store.Store) {
	create(t, s, "a")
	create(t, s, "b")
	before := s.Size()
	wasm, digest := module(1)
	own, all := s.Adds("a", digest, len(wasm), 8)
	if own <= 0 || all != own {
		t.Errorf("a policy adds %d, and %d in all", own, all)
	}
	uploadFor(t, s, "a", 1)
	if u := s.Usage("a"); u.Policies != own || u.Unnamed != own || u.Sweepable != 0 || s.Usage("b") != (store.Usage{}) {
		t.Errorf("a pays for %+v, want %d; b for %+v", u, own, s.Usage("b"))
	}
	if grown := s.Size() - before; grown < int64(len(wasm)) {
		t.Errorf("the store grew by %d", grown)
	}
	name(t, s, "a", digest)
	if u := s.Usage("a"); u.Policies != own || u.Unnamed != 0 {
		t.Errorf("named, a pays for %+v", u)
	}
	if mine, more := s.Adds("a", digest, len(wasm), 8); mine != 0 || more != 0 {
		t.Errorf("once more adds %d, %d", mine, more)
	}
	if mine, more := s.Adds("b", digest, len(wasm), 8); mine != own || more != 0 {
		t.Errorf("b's adds %d, %d", mine, more)
	}
	uploadFor(t, s, "b", 1)
	uploadFor(t, s, "a", 1)
	if s.Usage("b").Policies != own || s.Usage("a").Policies != own {
		t.Errorf("shared: %+v and %+v", s.Usage("a"), s.Usage("b"))
	}
	unname(t, s, "a")
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if u := s.Usage("a"); u.Policies != own || u.Unnamed != own {
		t.Errorf("deleted within the grace: %+v", u)
	}
	wants(t, s.PutPolicy(t.Context(), "nobody", &store.Policy{Digest: digest}, wasm), store.ErrNotFound)
}

// testUsageAfterSweep: what is not named is free once it is swept, and not
// before, also where another tenant keeps the file.
func testUsageAfterSweep(t *testing.T, s store.Store) {
	create(t, s, "a")
	create(t, s, "b")
	before := s.Size()
	lost, shared := uploadFor(t, s, "a", 1), uploadFor(t, s, "a", 2)
	uploadFor(t, s, "b", 2)
	name(t, s, "b", shared)
	one := s.Usage("b").Policies
	if u := s.Usage("a"); u.Policies != 2*one || u.Unnamed != 2*one || u.UnnamedCount != 2 || u.Sweepable != 2*one {
		t.Errorf("before the sweep: %+v", u)
	}
	full := s.Size()
	n, err := s.Sweep(t.Context())
	must(t, err)
	if u := s.Usage("a"); n != 1 || u != (store.Usage{}) || s.Usage("b").Policies != one {
		t.Errorf("swept %d: %+v, b %+v", n, u, s.Usage("b"))
	}
	if s.Size() >= full || s.Size() < before {
		t.Errorf("size %d, %d before the sweep", s.Size(), full)
	}
	wasm, _ := module(1)
	if own, all := s.Adds("a", lost, len(wasm), 8); own == 0 || all == 0 {
		t.Errorf("what was swept adds %d, %d", own, all)
	}
}

func testUsageOfStates(t *testing.T, s store.Store) {
	create(t, s, "a")
	_, digest := module(1)
	before, more := s.Size(), states(s).StateAdds("a", digest, 30_000)
	must(t, states(s).PutState(t.Context(), "a", digest, policy.State{Bytes: make([]byte, 30_000)}))
	if u := s.Usage("a"); u.States != more || more < 30_000 || s.Size()-before != more {
		t.Errorf("%+v, want %d; the store grew by %d", u, more, s.Size()-before)
	}
	if again := states(s).StateAdds("a", digest, 30_000); again != 0 {
		t.Errorf("in its place: %d more", again)
	}
	must(t, states(s).PutState(t.Context(), "a", digest, policy.State{Bytes: make([]byte, 3)}))
	if u := s.Usage("a"); u.States >= more || u.States == 0 {
		t.Errorf("a smaller one: %+v", u)
	}
	remove(t, s, "a")
	if u := s.Usage("a"); u != (store.Usage{}) {
		t.Errorf("removed: %+v", u)
	}
}

// testUsageOfHeirs: who is made under the name of another pays for nothing of it.
func testUsageOfHeirs(t *testing.T, s store.Store) {
	create(t, s, "a")
	uploadFor(t, s, "a", 1)
	remove(t, s, "a")
	create(t, s, "a")
	if u := s.Usage("a"); u != (store.Usage{}) {
		t.Errorf("an heir pays for %+v", u)
	}
}
