package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// owned is a policy of an owner.
func owned(q *Quota, wasm []byte) Source {
	src := source(wasm)
	src.Quota = q
	return src
}

// wantRate asserts that a load was refused for its rate, and returns in how
// long it may be tried again.
func wantRate(t *testing.T, err error) time.Duration {
	t.Helper()
	wantError(t, err, policy.FaultRate, "quota: loading policies has used up its processor time, try again in ")
	var rate *LoadRateError
	if !errors.As(err, &rate) || rate.After <= 0 {
		t.Fatalf("%v does not tell when", err)
	}
	return rate.After
}

// TestOverdrawnOwnerMustWait: the load that overdraws goes through, the next
// one is refused unseen, until the debt is paid.
func TestOverdrawnOwnerMustWait(t *testing.T) {
	c := &elsewhere{dir: t.TempDir(), cpu: 3 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, Config{Compiler: c})
		q := NewQuota(QuotaConfig{LoadSaved: 2 * time.Second, LoadPerSecond: 10 * time.Millisecond})
		load(t, e, owned(q, tiny().Bytes()))
		_, err := e.Load(t.Context(), owned(q, []byte("not even a module")))
		after := wantRate(t, err)
		if after < 100*time.Second || after > 300*time.Second || q.RetryAfter() != after {
			t.Errorf("a debt of a second and a bit is paid back in %v, or %v", after, q.RetryAfter())
		}
		load(t, e, owned(NewQuota(QuotaConfig{}), tiny().Bytes())) // another owner
		load(t, e, source(tiny().Bytes()))                         // and nobody
		time.Sleep(after - 1)
		_, err = e.Load(t.Context(), owned(q, tiny().Bytes()))
		if left := wantRate(t, err); left != 1 {
			t.Errorf("1 ns early: %v", left)
		}
		time.Sleep(1)
		load(t, e, owned(q, tiny().Bytes()))
	})
}

// TestWhatFailsIsPaidFor, in this process and elsewhere.
func TestWhatFailsIsPaidFor(t *testing.T) {
	for name, tt := range map[string]struct {
		compiler Compiler
		wasm     []byte
		least    time.Duration
	}{
		"gate":      {nil, append(wasmtest.Guest().Bytes(), 1, 2, 3), 1},
		"compiler":  {&elsewhere{err: errors.New("took too long"), cpu: time.Second}, wasmtest.Guest().Bytes(), time.Second},
		"configure": {nil, wasmtest.Guest(wasmtest.Func{Export: "_initialize", Body: wasmtest.Unreachable()}).Bytes(), 1},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewQuota(QuotaConfig{LoadSaved: 1, LoadPerSecond: time.Microsecond})
			e := newEngine(t, Config{Compiler: tt.compiler})
			if _, err := e.Load(t.Context(), owned(q, tt.wasm)); err == nil {
				t.Fatal("loaded")
			}
			if after := q.RetryAfter(); after < tt.least {
				t.Errorf("it may try again in %v", after)
			}
		})
	}
}

// TestReloadsShareTheFuel: a new version does not begin with a full bucket.
func TestReloadsShareTheFuel(t *testing.T) {
	e := newEngine(t, Config{})
	q := NewQuota(QuotaConfig{FuelPerSecond: 100})
	old := load(t, e, owned(q, tiny().Bytes()))
	fault := policy.FaultNone
	for fault == policy.FaultNone {
		_, fault = old.Decide(at(abi.KindTimeout, 0))
	}
	wantFault(t, "used up", fault, policy.FaultRate)
	next := load(t, e, owned(q, tiny().Bytes()))
	_, fault = next.Decide(at(abi.KindTimeout, 0))
	wantFault(t, "the next version", fault, policy.FaultRate)
	_, fault = load(t, e, source(tiny().Bytes())).Decide(at(abi.KindTimeout, 0))
	wantFault(t, "nobody's", fault, policy.FaultNone)
	_, fault = next.Decide(at(abi.KindTimeout, 1000))
	wantFault(t, "a second later", fault, policy.FaultNone)
}

// stuck is a Compiler that lets go when it is told to, or ctx ends.
type stuck struct {
	free chan struct{}

	mu    sync.Mutex // guards the following fields
	most  int        // at once
	now   int
	calls int
}

func (s *stuck) Dir() string { return "" }

func (s *stuck) Compile(ctx context.Context, _ string, _ []byte, _ uint64) (func(), time.Duration, error) {
	s.count(1)
	defer s.count(-1)
	select {
	case <-s.free:
		return func() {}, 0, nil
	case <-ctx.Done():
		return nil, time.Second, ctx.Err()
	}
}

func (s *stuck) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += n
	s.most = max(s.most, s.now)
	s.calls += max(n, 0)
}

// TestOneLoadAtATime: four wait for it in their order, a fifth is refused, and
// who gives up makes room.
func TestOneLoadAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stuck{free: make(chan struct{})}
		e := newEngine(t, Config{Compiler: c})
		q := NewQuota(QuotaConfig{})
		var wg sync.WaitGroup
		for n := range 5 {
			wg.Go(func() {
				if _, err := e.Load(t.Context(), owned(q, version(n).Wasm)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, err := e.Load(t.Context(), owned(q, tiny().Bytes()))
		wantError(t, err, policy.FaultBusy, "quota: too many loads of this owner")
		other := NewQuota(QuotaConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := e.Load(ctx, owned(other, version(9).Wasm)); !errors.Is(err, context.Canceled) || errors.As(err, new(*FaultError)) {
				t.Errorf("given up: %v", err)
			}
		})
		synctest.Wait()
		if c.now != 2 || c.calls != 2 {
			t.Errorf("%d of %d compile, want those of two owners", c.now, c.calls)
		}
		cancel()
		synctest.Wait()
		if left := other.Left(); left >= other.LoadSaved() {
			t.Error("what was given up was not paid for")
		}
		close(c.free)
		wg.Wait()
		if q.users != 0 || len(q.loading) != 0 || other.users != 0 {
			t.Errorf("%d users are left, and %d", q.users, other.users)
		}
	})
}

// TestWaitingLoadsSeeTheDebt that the one before them has made.
func TestWaitingLoadsSeeTheDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stuck{free: make(chan struct{})}
		e := newEngine(t, Config{Compiler: c})
		q := NewQuota(QuotaConfig{})
		errs := make(chan error, 1)
		go func() { _, err := e.Load(t.Context(), owned(q, version(1).Wasm)); errs <- err }()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { _, err := e.Load(t.Context(), owned(q, version(2).Wasm)); second <- err }()
		synctest.Wait()
		q.Charge(11 * time.Second)
		close(c.free)
		if err := <-errs; err != nil {
			t.Error(err)
		}
		wantRate(t, <-second)
	})
}

// TestHammerQuota: one load of an owner at a time, whoever gives up.
func TestHammerQuota(t *testing.T) {
	q := NewQuota(QuotaConfig{LoadQueue: 100})
	var wg sync.WaitGroup
	loads, mine := 0, 0 // the first guarded by the turn
	var mu sync.Mutex
	for g := range 8 {
		wg.Go(func() {
			n := 0
			for i := range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				if (g+i)%3 == 0 {
					cancel()
				}
				if q.enter(ctx) == nil {
					loads++
					n++
					q.leave(time.Microsecond)
				}
				cancel()
			}
			mu.Lock()
			mine += n
			mu.Unlock()
		})
	}
	wg.Wait()
	if loads != mine || loads < 1000 || q.users != 0 || len(q.loading) != 0 {
		t.Errorf("%d loads, %d counted, %d users left", mine, loads, q.users)
	}
}

// TestRateChangesAtOnce: what is saved is cut to two seconds of the new rate,
// a debt stays, and what comes is earned at the new one.
func TestRateChangesAtOnce(t *testing.T) {
	q := NewQuota(QuotaConfig{FuelPerSecond: 1000, LoadSaved: 3 * time.Second})
	if q.FuelPerSecond() != 1000 || q.LoadSaved() != 3*time.Second {
		t.Errorf("%d units, %v", q.FuelPerSecond(), q.LoadSaved())
	}
	r := q.fuelRate
	r.open(10_000)
	q.SetFuelPerSecond(100)
	if left := r.left.Load(); left != 100*burstMs || q.FuelPerSecond() != 100 {
		t.Errorf("%d are left at %d", left, q.FuelPerSecond())
	}
	r.use(300)
	q.SetFuelPerSecond(5000)
	if left := r.left.Load(); left != -100_000 {
		t.Errorf("%d are left", left)
	}
	r.open(10_010)
	if left := r.left.Load(); left != -50_000 {
		t.Errorf("10 ms later %d are left", left)
	}
	q.SetFuelPerSecond(0)
	if q.FuelPerSecond() != standardFuelPerSecond {
		t.Errorf("0 means %d", q.FuelPerSecond())
	}
	var none *Quota
	none.SetFuelPerSecond(1)
	if none.FuelPerSecond() != 0 || none.LoadSaved() != 0 {
		t.Error("nothing is bounded by something")
	}
}
