package file

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
)

// TestDamagedState: what a crash has left of a state is no state.
func TestDamagedState(t *testing.T) {
	s := reopen(t, t.TempDir())
	defer s.Close()
	ctx := context.Background()
	digest, other := digestOf([]byte("a")), digestOf([]byte("b"))
	must(t, s.PutState(ctx, "a", digest, policy.State{Format: 1, Bytes: []byte("learned")}))
	name := s.path(statesDir, "a", digest)
	whole, err := os.ReadFile(name)
	must(t, err)
	for size := range whole {
		must(t, os.WriteFile(name, whole[:size], 0o600))
		if _, err := s.State(ctx, "a", digest); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%d of %d bytes: %v", size, len(whole), err)
		}
		flipped := append([]byte{}, whole...)
		flipped[size] ^= 4
		must(t, os.WriteFile(name, flipped, 0o600))
		if _, err := s.State(ctx, "a", digest); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("byte %d flipped: %v", size, err)
		}
	}
	must(t, os.WriteFile(s.path(statesDir, "a", other), whole, 0o600))
	if _, err := s.State(ctx, "a", other); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's state under a digest: %v", err)
	}
}

func TestOldStates(t *testing.T) {
	s := reopen(t, t.TempDir())
	defer s.Close()
	ctx := context.Background()
	old, young := digestOf([]byte("a")), digestOf([]byte("b"))
	for _, tenant := range []string{"both", "old"} {
		must(t, s.PutState(ctx, tenant, old, policy.State{}))
		at := time.Now().Add(-31 * 24 * time.Hour)
		must(t, os.Chtimes(s.path(statesDir, tenant, old), at, at))
	}
	must(t, s.PutState(ctx, "both", young, policy.State{}))
	if _, err := s.Sweep(ctx); err != nil {
		t.Error(err)
	}
	if _, err := s.State(ctx, "both", young); err != nil {
		t.Error(err)
	}
	for _, tenant := range []string{"both", "old"} {
		if _, err := s.State(ctx, tenant, old); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: an old state is left: %v", tenant, err)
		}
	}
	if _, err := os.Stat(s.path(statesDir, "old")); err == nil {
		t.Error("an empty directory is left")
	}
	must(t, s.PutState(ctx, "old", old, policy.State{}))
}
