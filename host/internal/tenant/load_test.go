package tenant

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestWarmLoadsOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		l.takes = time.Second
		tn := New(Config{Loader: l})
		defer tn.Close()
		tn.Set(Plan{Active: of("a"), Canary: of("c"), Percent: 10})
		var warm sync.WaitGroup
		for range 20 {
			warm.Go(func() { tn.Warm(t.Context()) })
		}
		time.Sleep(time.Second - 1)
		if s := sideOf(t, tn, policy.RoleActive); s.Loaded {
			t.Error("loaded before its time")
		}
		warm.Wait()
		if l.count() != 2 || !sideOf(t, tn, policy.RoleActive).Loaded || !sideOf(t, tn, policy.RoleCanary).Loaded {
			t.Errorf("loads %v, sides %+v", l.loads, tn.Stats().Sides)
		}
		if v := tn.Decide(at(abi.KindAccept, 1)); v.Source != policy.SourcePolicy {
			t.Errorf("%+v", v)
		}
	})
}

// TestALoadOutlivesWhoWaitsForIt: a client that gives up leaves the policy to
// the next.
func TestALoadOutlivesWhoWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		l.takes = time.Second
		tn := New(Config{Loader: l})
		defer tn.Close()
		tn.Set(Plan{Active: of("a")})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		tn.Warm(ctx)
		if waited := time.Since(start); waited != 100*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		if v := tn.Decide(at(abi.KindAccept, 1)); v.Source != policy.SourceFallback || v.Fault != policy.FaultNotLoaded || v.Action != abi.ActionDefault {
			t.Errorf("at accept: %+v", v)
		}
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if v := tn.Decide(at(abi.KindTimeout, 1)); v.Source != policy.SourcePolicy || l.count() != 1 {
			t.Errorf("after the load: %+v, loads %v", v, l.loads)
		}
	})
}

func TestWarmDoesNotWaitForAShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		l.takes = time.Second
		tn := New(Config{Loader: l})
		defer tn.Close()
		tn.Set(Plan{Shadow: of("s")})
		start := time.Now()
		tn.Warm(t.Context())
		if time.Since(start) != 0 {
			t.Error("waited")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !sideOf(t, tn, policy.RoleShadow).Loaded {
			t.Error("not loaded")
		}
	})
}

func TestAColdPolicyAsksForAQuarterSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		l.takes = time.Second
		tn := New(Config{Loader: l})
		defer tn.Close()
		tn.Set(Plan{Active: of("a")})
		native := policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultNotLoaded}
		if v := tn.Decide(at(abi.KindClose, 1)); v != (policy.Verdict{}) {
			t.Errorf("at the end: %+v", v)
		}
		synctest.Wait()
		if l.running.Load() != 0 {
			t.Error("loaded for an end")
		}
		put := native
		put.Action, put.Deadline = abi.ActionExtend, 250*time.Millisecond
		if v := tn.Decide(at(abi.KindTimeout, 1)); v != put {
			t.Errorf("at a timeout: %+v", v)
		}
		if v := tn.Decide(at(abi.KindAccept, 1)); v != native {
			t.Errorf("at accept: %+v", v)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if v := tn.Decide(at(abi.KindTimeout, 1)); v.Source != policy.SourcePolicy || l.count() != 1 {
			t.Errorf("once loaded: %+v, loads %v", v, l.loads)
		}
		s := sideOf(t, tn, policy.RoleActive)
		if s.Asks != 3 || s.Faults[policy.FaultNotLoaded] != 2 {
			t.Errorf("record: %+v", s)
		}
	})
}

// TestPatienceHasAnEnd: connections are put off for ten seconds, then answered
// for natively, and after as long put off again.
func TestPatienceHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		l.enter = make(chan struct{})
		tn := New(Config{Loader: l})
		defer tn.Close()
		tn.Set(Plan{Active: of("a")})
		for _, c := range []struct {
			sleep time.Duration
			put   bool
		}{{0, true}, {coldPatience, true}, {time.Millisecond, false}, {coldPatience - time.Millisecond, false}, {time.Millisecond, true}} {
			time.Sleep(c.sleep)
			v := tn.Decide(at(abi.KindTimeout, 1))
			if put := v.Action == abi.ActionExtend; put != c.put || v.Fault != policy.FaultNotLoaded {
				t.Errorf("%v later: %+v", c.sleep, v)
			}
		}
		old := at(abi.KindTimeout, 1)
		old.Event.NowMs = 1 // a clock that was set back
		if v := tn.Decide(old); v.Action != abi.ActionExtend {
			t.Errorf("%+v", v)
		}
	})
}

// TestFailedLoadsAreTriedAgain: after 1 s, then after twice as long each time,
// at last every five minutes; not a nanosecond before that.
func TestFailedLoadsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		l.ail(errSick)
		tn := New(Config{Loader: l})
		defer tn.Close()
		tn.Set(Plan{Active: of("a")})
		tn.Warm(t.Context())
		loads := 1
		ask := func(when string, more int) {
			t.Helper()
			v := tn.Decide(at(abi.KindTimeout, 1))
			synctest.Wait()
			if loads += more; l.count() != loads || v.Fault != policy.FaultCompile || v.Action != abi.ActionDefault || v.Source != policy.SourceFallback {
				t.Fatalf("%s: %d loads, want %d; %+v", when, l.count(), loads, v)
			}
		}
		for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
			wait *= time.Second
			ask("at once", 0)
			time.Sleep(wait - 1)
			ask(wait.String()+" less a nanosecond", 0)
			tn.Warm(t.Context())
			time.Sleep(1)
			ask(wait.String(), 1)
		}
		if s := sideOf(t, tn, policy.RoleActive); s.LastFault != "compile: sick" || s.Loaded {
			t.Errorf("%+v", s)
		}
		l.ail(nil)
		time.Sleep(5 * time.Minute)
		tn.Warm(t.Context())
		if v := tn.Decide(at(abi.KindTimeout, 1)); v.Source != policy.SourcePolicy {
			t.Errorf("recovered: %+v", v)
		}
		// The next failure is a first one again.
		l.ail(errSick)
		tn.Cool(0)
		tn.Warm(t.Context())
		n := l.count()
		time.Sleep(time.Second)
		tn.Warm(t.Context())
		if l.count() != n+1 {
			t.Error("a good load did not end the backoff")
		}
	})
}

func TestALostLaneIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		tn := New(Config{Loader: l})
		defer tn.Close()
		tn.Set(Plan{Active: &RoleVersion{Version: Version{Digest: "a"}, Lost: policy.FaultConfigure}})
		tn.Warm(t.Context())
		if v := tn.Decide(at(abi.KindTimeout, 1)); v.Fault != policy.FaultConfigure || l.count() != 0 {
			t.Fatalf("%+v, loads %v", v, l.loads)
		}
		time.Sleep(time.Second)
		tn.Warm(t.Context())
		if v := tn.Decide(at(abi.KindTimeout, 1)); v.Source != policy.SourcePolicy {
			t.Errorf("%+v", v)
		}
	})
}

// TestTheGateBoundsLoads: over all tenants; a question that finds it full does
// not wait, and Warm does.
func TestTheGateBoundsLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, gate := newLoader(), NewLoadQueue(2)
		l.takes = time.Second
		var tns []*Tenant
		for n := range 5 {
			tn := New(Config{Name: fmt.Sprint(n), Loader: l, Loads: gate})
			defer tn.Close()
			tn.Set(Plan{Active: of("a")})
			tn.Decide(at(abi.KindTimeout, 1))
			tns = append(tns, tn)
		}
		synctest.Wait()
		if n := l.running.Load(); n != 2 {
			t.Fatalf("%d loads at once", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if l.running.Load() != 0 || l.count() != 2 {
			t.Fatalf("a question has waited at the gate: %d loads", l.count())
		}
		var warm sync.WaitGroup
		for _, tn := range tns {
			warm.Go(func() { tn.Warm(t.Context()) })
		}
		warm.Wait()
		if l.count() != 5 || l.most.Load() != 2 {
			t.Errorf("%d loads, at most %d at once", l.count(), l.most.Load())
		}
	})
}

// TestTenantsTakeTurnsAtTheGate: three versions of one tenant's do not keep
// another tenant waiting for more than one of them.
func TestTenantsTakeTurnsAtTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, gate := newLoader(), NewLoadQueue(1)
		l.takes = time.Second
		busy, other := New(Config{Name: "busy", Loader: l, Loads: gate}), New(Config{Name: "other", Loader: l, Loads: gate})
		defer busy.Close()
		defer other.Close()
		busy.Set(Plan{Active: of("a"), Canary: of("c"), Percent: 10, Shadow: of("s")})
		other.Set(Plan{Active: of("o")})
		go busy.Warm(t.Context())
		synctest.Wait()
		time.Sleep(time.Second / 2)
		begun := time.Now()
		other.Warm(t.Context())
		if took := time.Since(begun); took != 3*time.Second/2 {
			t.Errorf("loaded after %v, want half a load of the other's and its own", took)
		}
	})
}

// TestALoadThatNobodyWantsIsGivenUp: because the version has lost its role, or
// the tenant is closed; both while it runs and while it waits at the gate.
func TestALoadThatNobodyWantsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, gate := range []*LoadQueue{nil, NewLoadQueue(1)} {
			gate.tryEnter("other")
			l := newLoader()
			l.enter = make(chan struct{})
			tn := New(Config{Name: "mine", Loader: l, Loads: gate})
			tn.Set(Plan{Active: of("a")})
			go tn.Warm(t.Context())
			synctest.Wait()
			tn.Set(Plan{Active: with(&fakeGuest{digest: "b"}), Canary: of("c")})
			synctest.Wait()
			if l.running.Load() != 0 {
				t.Error("a load goes on for nobody")
			}
			go tn.Warm(t.Context())
			synctest.Wait()
			tn.Close() // or the test hangs
			if v := tn.Decide(at(abi.KindTimeout, 1)); v.Source != policy.SourceNative {
				t.Errorf("%+v", v)
			}
		}
	})
}

// TestAGuestThatComesAfterAllIsClosed: the plan has changed while a loader that
// does not look at its context went on.
func TestAGuestThatComesAfterAllIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, late := newLoader(), &fakeGuest{digest: "a"}
		begun, going := make(chan struct{}), make(chan struct{})
		l.make = func(Version) Guest {
			close(begun)
			<-going
			return late
		}
		tn := New(Config{Loader: l})
		tn.Set(Plan{Active: of("a")})
		go tn.Warm(t.Context())
		<-begun
		given := &fakeGuest{digest: "a", reason: 9}
		tn.Set(Plan{Active: with(given)})
		close(going)
		synctest.Wait()
		isClosed(t, "the loaded", late, 1)
		if v := tn.Decide(at(abi.KindTimeout, 1)); v.Reason != 9 {
			t.Errorf("%+v", v)
		}
		tn.Close()
		isClosed(t, "the given", given, 1)
	})
}

func TestALoaderThatReturnsNothingHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		l.make = func(Version) Guest { return nil }
		tn := New(Config{Loader: l})
		defer tn.Close()
		tn.Set(Plan{Active: of("a")})
		tn.Warm(t.Context())
		if s := sideOf(t, tn, policy.RoleActive); s.LastFault != "not_loaded: "+errNoGuest.Error() {
			t.Errorf("%+v", s)
		}
	})
}
