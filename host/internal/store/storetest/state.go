package storetest

import (
	"bytes"
	"math"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
)

// states is where a store keeps what policies learn.
func states(s store.Store) store.States { return s.(store.States) }

func testState(t *testing.T, s store.Store) {
	create(t, s, "a")
	_, d := module(1)
	_, other := module(2)
	_, err := states(s).State(t.Context(), "a", d)
	wants(t, err, store.ErrNotFound)
	for _, st := range []policy.State{
		{Format: 1, Bytes: []byte("learned")}, {Format: math.MaxUint64, Bytes: bytes.Repeat([]byte{0, 255}, 50_000)}, {Format: 0},
	} {
		given := policy.State{Format: st.Format, Bytes: bytes.Clone(st.Bytes)}
		must(t, states(s).PutState(t.Context(), "a", d, given))
		if len(given.Bytes) > 0 {
			given.Bytes[0] = 'x'
		}
		for range 2 {
			got, err := states(s).State(t.Context(), "a", d)
			must(t, err)
			if got.Format != st.Format || !bytes.Equal(got.Bytes, st.Bytes) {
				t.Errorf("format %d and %d bytes, want %d and %d", got.Format, len(got.Bytes), st.Format, len(st.Bytes))
			}
			if len(got.Bytes) > 0 {
				got.Bytes[0] = 'y'
			}
		}
	}
	_, err = states(s).State(t.Context(), "a", other)
	wants(t, err, store.ErrNotFound)
	for _, bad := range [][2]string{{"../a", d}, {"", d}, {"a", ""}, {"a", "../../host.db"}, {"a", d[1:]}} {
		wants(t, states(s).PutState(t.Context(), bad[0], bad[1], policy.State{}), store.ErrInvalid)
		_, err := states(s).State(t.Context(), bad[0], bad[1])
		wants(t, err, store.ErrNotFound)
	}
}

func testStateOfOthers(t *testing.T, s store.Store) {
	_, d := module(1)
	create(t, s, "a")
	create(t, s, "b")
	must(t, states(s).PutState(t.Context(), "default", d, policy.State{Format: 3})) // is not there, and learns
	must(t, states(s).PutState(t.Context(), "a", d, policy.State{Format: 1}))
	must(t, states(s).PutState(t.Context(), "b", d, policy.State{Format: 2}))
	for tenant, want := range map[string]uint64{"a": 1, "b": 2, "default": 3} {
		got, err := states(s).State(t.Context(), tenant, d)
		must(t, err)
		if got.Format != want {
			t.Errorf("state of %q: %d, want %d", tenant, got.Format, want)
		}
	}
	remove(t, s, "a")
	_, err := states(s).State(t.Context(), "a", d)
	wants(t, err, store.ErrNotFound)
	_, err = states(s).State(t.Context(), "b", d)
	must(t, err)
}

// testStateOfHeirs: who is made under a name that was in use has learned nothing,
// even if the last policy of its predecessor was put to rest late.
func testStateOfHeirs(t *testing.T, s store.Store) {
	_, d := module(1)
	create(t, s, "a")
	must(t, states(s).PutState(t.Context(), "a", d, policy.State{Format: 1}))
	change(t, s, "a")
	_, err := states(s).State(t.Context(), "a", d)
	must(t, err)
	remove(t, s, "a")
	must(t, states(s).PutState(t.Context(), "a", d, policy.State{Format: 2}))
	create(t, s, "a")
	_, err = states(s).State(t.Context(), "a", d)
	wants(t, err, store.ErrNotFound)
	must(t, states(s).PutState(t.Context(), "a", d, policy.State{Format: 3}))
	got, err := states(s).State(t.Context(), "a", d)
	must(t, err)
	if got.Format != 3 {
		t.Errorf("state %d, want 3", got.Format)
	}
}

func testSecret(t *testing.T, s store.Store) {
	a, err := s.Secret(t.Context(), "a")
	must(t, err)
	again, err := s.Secret(t.Context(), "a")
	must(t, err)
	b, err := s.Secret(t.Context(), "b")
	must(t, err)
	if len(a) != 32 || !bytes.Equal(a, again) || bytes.Equal(a, b) || bytes.Equal(a, make([]byte, 32)) {
		t.Errorf("secrets %x, %x, %x", a, again, b)
	}
	a[0]++
	if again2, err := s.Secret(t.Context(), "a"); err != nil || !bytes.Equal(again2, again) {
		t.Error("a secret was not copied")
	}
	_, err = s.Secret(t.Context(), "")
	wants(t, err, store.ErrInvalid)
}
