package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// TestCompilesDoNotWaitForOneAnother, unless they are of the same bytes.
func TestCompilesDoNotWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stuck{free: make(chan struct{})}
		e := newEngine(t, Config{Compiler: c})
		var wg sync.WaitGroup
		for n := range 6 {
			wg.Go(func() { load(t, e, version(n%3)) })
		}
		synctest.Wait()
		if c.now != 3 {
			t.Errorf("%d compile at once, want 3", c.now)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := e.Load(ctx, version(0)); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		close(c.free)
		wg.Wait()
		if c.calls != 3 || c.most != 3 || len(e.codeCache.pending) != 0 {
			t.Errorf("%d calls, %d at once, %d left", c.calls, c.most, len(e.codeCache.pending))
		}
	})
}

// TestCloseEndsLoads that wait, and waits for them.
func TestCloseEndsLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stuck{free: make(chan struct{})}
		e := newEngine(t, Config{Compiler: c})
		q := NewQuota(QuotaConfig{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := e.Load(t.Context(), owned(q, tiny().Bytes())); !errors.Is(err, ErrClosed) {
					t.Errorf("a load: %v", err)
				}
			})
		}
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if c.now != 0 {
			t.Error("one still compiles")
		}
		wg.Wait()
	})
}

// TestCloseWaitsForAPolicyThatIsBeingClosed: the policy, which waits for a
// question, has given back its code by the time the engine is closed.
func TestCloseWaitsForAPolicyThatIsBeingClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, Config{})
		p := load(t, e, version(0))
		p.mu.Lock() // as a question does
		closed := make(chan error, 2)
		go func() { closed <- p.Close() }()
		synctest.Wait()
		go func() { closed <- e.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("the engine is closed before the policy")
		}
		p.mu.Unlock()
		for range cap(closed) {
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
		if len(e.codeCache.known) != 0 {
			t.Error("the policy's code is left")
		}
	})
}

// TestHammerLoads: many owners load, ask and close at once, the same bytes and
// others, and the end comes meanwhile.
func TestHammerLoads(t *testing.T) {
	e := newEngine(t, Config{})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			q := NewQuota(QuotaConfig{LoadSaved: time.Hour})
			for i := range 40 {
				p, err := e.Load(t.Context(), owned(q, version((g+i)%5*2).Wasm))
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				_, fault := p.Decide(at(abi.KindAccept, uint64(i)))
				if fault != policy.FaultNone && fault != policy.FaultNotLoaded {
					t.Errorf("owner %d, load %d: %v", g, i, fault)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for g := range 2 {
		wg.Go(func() {
			if p, err := e.Load(t.Context(), version(g)); err == nil {
				for i := range 2000 {
					p.Decide(at(abi.KindAccept, uint64(i)))
				}
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(e.codeCache.pending) != 0 || len(e.codeCache.known) != 0 {
		t.Error("something is left")
	}
}
