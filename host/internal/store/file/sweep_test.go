package file

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/store"
)

// TestGraceEnds: a policy goes when it was put longer ago than the grace, by
// whoever put it last.
func TestGraceEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir, Config{Grace: time.Hour})
		must(t, err)
		defer s.Close()
		ctx := context.Background()
		wasm := []byte("module")
		p := &store.Policy{Digest: digestOf(wasm)}
		must(t, s.PutPolicy(ctx, "", p, wasm))
		sweeps := func(want int) {
			t.Helper()
			if n, err := s.Sweep(ctx); err != nil || n != want {
				t.Errorf("swept %d, want %d (%v)", n, want, err)
			}
		}
		time.Sleep(30 * time.Minute)
		must(t, s.PutPolicy(ctx, "", p, wasm))
		time.Sleep(time.Hour)
		sweeps(0)
		time.Sleep(1)
		sweeps(1)
	})
}

// TestTokensExpire: one goes at its time, not before.
func TestTokensExpire(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir, Config{})
		must(t, err)
		defer s.Close()
		ctx := context.Background()
		must(t, s.PutToken(ctx, &store.Token{ID: "t", Expires: time.Now().Add(time.Hour)}, store.Entry{}))
		for _, c := range []struct {
			after time.Duration
			want  error
		}{{time.Hour - 1, nil}, {1, store.ErrNotFound}} {
			time.Sleep(c.after)
			if _, err := s.Sweep(ctx); err != nil {
				t.Error(err)
			}
			if _, err := s.Token(ctx, "t"); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		}
	})
}

// TestSweepIsCancelled: nothing goes for whom nobody waits.
func TestSweepIsCancelled(t *testing.T) {
	s, err := Open(t.TempDir(), Config{Grace: 1})
	must(t, err)
	defer s.Close()
	wasm := []byte("module")
	p := &store.Policy{Digest: digestOf(wasm)}
	must(t, s.PutPolicy(context.Background(), "", p, wasm))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if n, err := s.Sweep(ctx); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("swept %d, %v", n, err)
	}
	if _, err := s.Module(context.Background(), p.Digest); err != nil {
		t.Error(err)
	}
}
