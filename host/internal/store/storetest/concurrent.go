package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
)

// testConcurrentUpdates: none is lost, and each has a revision of its own.
func testConcurrentUpdates(t *testing.T, s store.Store) {
	create(t, s, "a")
	const writers, each = 8, 25
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				changed := change(t, s, "a")
				mu.Lock()
				if seen[changed.Revision] {
					t.Errorf("revision %d twice", changed.Revision)
				}
				seen[changed.Revision] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got, err := s.Tenant(t.Context(), "a")
	must(t, err)
	if n := got.Spec.Limits.Connections; n != writers*each {
		t.Errorf("%d updates are left of %d", n, writers*each)
	}
	log, err := s.Audit(t.Context(), "a", 0, 0)
	must(t, err)
	if len(log) != writers*each+1 {
		t.Errorf("%d entries, want %d", len(log), writers*each+1)
	}
}

// testConcurrentCreates: one of many gets the name.
func testConcurrentCreates(t *testing.T, s store.Store) {
	for round := range 5 {
		name := fmt.Sprintf("t%d", round)
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch err := s.Create(t.Context(), &store.Tenant{Name: name}, entry(name, "x")); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, store.ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%s was made %d times", name, made.Load())
		}
	}
}

// testConcurrentErrors: an edit that fails does not fail its neighbours.
func testConcurrentErrors(t *testing.T, s store.Store) {
	create(t, s, "a")
	create(t, s, "b")
	mine := errors.New("mine")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				if i%2 == 0 {
					change(t, s, "a")
					continue
				}
				_, err := s.Update(t.Context(), "b", func(u *store.Tenant) (store.Entry, error) {
					u.Spec.Limits.Connections++
					return entry("b", "x"), mine
				})
				wants(t, err, mine)
			}
		})
	}
	wg.Wait()
	a, err := s.Tenant(t.Context(), "a")
	must(t, err)
	b, err := s.Tenant(t.Context(), "b")
	must(t, err)
	if a.Spec.Limits.Connections != 80 || b.Spec.Limits.Connections != 0 {
		t.Errorf("%d and %d changes, want 80 and 0", a.Spec.Limits.Connections, b.Spec.Limits.Connections)
	}
}

// testConcurrentSecrets: all get the same one.
func testConcurrentSecrets(t *testing.T, s store.Store) {
	all := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			var err error
			if all[i], err = s.Secret(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, one := range all {
		if !bytes.Equal(one, all[0]) || len(one) != 32 {
			t.Errorf("secrets differ: %x, %x", one, all[0])
		}
	}
}

// testHammer runs everything against everything; what it looks for are races,
// locks that wait for one another, and errors that nobody has asked for.
func testHammer(t *testing.T, s store.Store) {
	const workers, steps = 8, 60
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for range steps {
				if err := stepAtRandom(t, s, rng); err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrExists) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// stepAtRandom does something to one of few tenants.
func stepAtRandom(t *testing.T, s store.Store, rng *rand.Rand) error {
	ctx := t.Context()
	tenant := fmt.Sprintf("t%d", rng.IntN(3))
	wasm, digest := module(rng.IntN(3))
	id := fmt.Sprintf("k%d", rng.IntN(5))
	e := entry(tenant, "x")
	noted := func(*store.Tenant) (store.Entry, error) { return e, nil }
	var err error
	switch rng.IntN(15) {
	case 0, 1:
		err = s.Create(ctx, &store.Tenant{Name: tenant}, e)
	case 2, 3:
		_, err = s.Update(ctx, tenant, noted)
	case 4:
		err = s.Delete(ctx, tenant, noted)
	case 5:
		err = s.PutPolicy(ctx, "", &store.Policy{Digest: digest, Size: len(wasm)}, wasm)
	case 6:
		_, err = s.Module(ctx, digest)
	case 7:
		_, err = s.Sweep(ctx)
	case 8:
		err = s.PutToken(ctx, &store.Token{ID: id, Tenant: tenant}, e)
	case 9:
		err = s.DeleteToken(ctx, id, e)
	case 10:
		_, err = s.Tokens(ctx, tenant)
	case 11:
		err = states(s).PutState(ctx, tenant, digest, policy.State{Bytes: wasm})
	case 12:
		_, err = states(s).State(ctx, tenant, digest)
	case 13:
		s.Watch(func(string) {})()
		_, err = s.Tenants(ctx, "", 0)
	case 14:
		_, err = s.Audit(ctx, tenant, 0, 5)
	}
	return err
}

// testCancelled: nothing happens for whom nobody waits.
func testCancelled(t *testing.T, s store.Store) {
	made := create(t, s, "a")
	digest := upload(t, s, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range everyCall(ctx, s, digest) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want the context's", what, err)
		}
	}
	got, err := s.Tenant(t.Context(), "a")
	must(t, err)
	same(t, "tenant", got, made)
	if log, err := s.Audit(t.Context(), "", 0, 0); err != nil || len(log) != 1 {
		t.Errorf("log %v, %v", log, err)
	}
}

func testClosed(t *testing.T, s store.Store) {
	create(t, s, "a")
	digest := upload(t, s, 1)
	entered := make(chan struct{}, 10)
	stop := s.Watch(func(string) { entered <- struct{}{} })
	change(t, s, "a")
	<-entered
	must(t, s.Close())
	must(t, s.Close())
	for what, err := range everyCall(t.Context(), s, digest) {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: error %v, want ErrClosed", what, err)
		}
	}
	stop()
	s.Watch(func(string) { t.Error("a watch of a closed store") })()
}

// everyCall makes every call that can fail, on a store with tenant a.
func everyCall(ctx context.Context, s store.Store, digest string) map[string]error {
	wasm, _ := module(1)
	e := entry("a", "x")
	noted := func(*store.Tenant) (store.Entry, error) { return e, nil }
	errs := map[string]error{}
	note := func(what string, err error) { errs[what] = err }
	_, err := s.Tenant(ctx, "a")
	note("Tenant", err)
	_, err = s.Tenants(ctx, "", 0)
	note("Tenants", err)
	note("Create", s.Create(ctx, &store.Tenant{Name: "b"}, e))
	_, err = s.Update(ctx, "a", noted)
	note("Update", err)
	note("Delete", s.Delete(ctx, "a", noted))
	note("PutPolicy", s.PutPolicy(ctx, "", &store.Policy{Digest: digest, Size: len(wasm)}, wasm))
	_, err = s.Policy(ctx, digest)
	note("Policy", err)
	_, err = s.Module(ctx, digest)
	note("Module", err)
	_, err = s.Sweep(ctx)
	note("Sweep", err)
	note("PutToken", s.PutToken(ctx, &store.Token{ID: "t"}, e))
	_, err = s.Token(ctx, "t")
	note("Token", err)
	_, err = s.Tokens(ctx, "")
	note("Tokens", err)
	note("DeleteToken", s.DeleteToken(ctx, "t", e))
	note("Note", s.Note(ctx, e))
	_, err = s.Audit(ctx, "", 0, 0)
	note("Audit", err)
	note("PutState", states(s).PutState(ctx, "a", digest, policy.State{}))
	_, err = states(s).State(ctx, "a", digest)
	note("State", err)
	_, err = s.Secret(ctx, "x")
	note("Secret", err)
	return errs
}

// testCloseWhileBusy: Close waits for what is under way; what comes after it is
// refused, and f and edit do not hold it up by calling the store.
func testCloseWhileBusy(t *testing.T, s store.Store) {
	create(t, s, "a")
	defer s.Watch(func(string) { _, _ = s.Tenant(t.Context(), "a") })()
	var wg sync.WaitGroup
	started := make(chan struct{}, 8)
	for range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err := s.Update(t.Context(), "a", func(*store.Tenant) (store.Entry, error) {
					_, err := s.Tenant(t.Context(), "a")
					return entry("a", "x"), err
				})
				if i == 0 {
					started <- struct{}{}
				}
				if err != nil {
					wants(t, err, store.ErrClosed)
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	must(t, s.Close())
	wg.Wait()
}
