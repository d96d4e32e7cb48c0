package tenant

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestCoolLetsGoWhatNobodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newLoader(), newStates()
		tn := New(Config{Name: "t", Loader: l, States: s})
		defer tn.Close()
		tn.Set(Plan{Active: of("a"), Canary: of("c"), Percent: 100})
		tn.Warm(t.Context())
		first := l.guest("a")
		s.putting = func() { isClosed(t, "while its state is put away", first, 0) }
		const d = time.Minute
		time.Sleep(d - 1)
		if tn.Cool(d) {
			t.Error("a nanosecond too early")
		}
		tn.Decide(at(abi.KindTimeout, 7)) // the canary, a nanosecond before a millisecond ends
		time.Sleep(1)
		if !tn.Cool(d) {
			t.Fatal("not let go")
		}
		s.putting = nil
		isClosed(t, "the active", first, 1)
		isClosed(t, "the canary", l.guest("c"), 0)
		if s.get("t/a") != "a" || s.get("t/c") != "" {
			t.Errorf("kept %v", s.kept)
		}
		if tn.Cool(d) {
			t.Error("let go twice")
		}
		if side := sideOf(t, tn, policy.RoleActive); side.Loaded {
			t.Errorf("%+v", side)
		}
		// It comes back with what it had learned.
		tn.Warm(t.Context())
		if l.last() != "a<a" {
			t.Errorf("loads %v", l.loads)
		}
		if v := tn.Decide(at(abi.KindTimeout, 0)); v.Source != policy.SourcePolicy {
			t.Errorf("%+v", v)
		}
		if side := sideOf(t, tn, policy.RoleActive); side.Asks != 1 {
			t.Errorf("the record is gone: %+v", side)
		}
	})
}

func TestWarmIsAUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := New(Config{Loader: newLoader()})
		defer tn.Close()
		tn.Set(Plan{Active: of("a")})
		tn.Warm(t.Context())
		time.Sleep(time.Minute)
		tn.Warm(t.Context())
		if tn.Cool(time.Minute) {
			t.Error("let go under a connection that is about to ask")
		}
	})
}

// TestAQuestionWhileStateIsPutAwayKeepsTheGuest: it may have taught it more.
func TestAQuestionWhileStateIsPutAwayKeepsTheGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newLoader(), newStates()
		tn := New(Config{Loader: l, States: s})
		defer tn.Close()
		tn.Set(Plan{Active: of("a")})
		tn.Warm(t.Context())
		time.Sleep(time.Minute)
		s.putting = func() { tn.Decide(at(abi.KindTimeout, 1)) }
		if tn.Cool(time.Minute) {
			t.Error("let go")
		}
		isClosed(t, "asked meanwhile", l.guest("a"), 0)
		s.putting = nil
	})
}

func TestWithoutStatesTheTenantRemembers(t *testing.T) {
	sick := newStates()
	sick.err = errors.New("disk full")
	for _, states := range []States{nil, sick} {
		synctest.Test(t, func(t *testing.T) {
			l := newLoader()
			tn := New(Config{Loader: l, States: states})
			defer tn.Close()
			tn.Set(Plan{Active: of("a")})
			tn.Warm(t.Context())
			if !tn.Cool(0) {
				t.Fatal("kept")
			}
			tn.Warm(t.Context())
			if l.last() != "a<a" {
				t.Errorf("loads %v", l.loads)
			}
		})
	}
}

func TestWhatNobodyCouldLoadAgainStays(t *testing.T) {
	g := &fakeGuest{digest: "a"}
	tn := New(Config{})
	tn.Set(Plan{Active: with(g)})
	if tn.Cool(0) {
		t.Error("let go")
	}
	isClosed(t, "without a loader", g, 0)
	// And where there is neither loader nor guest, every answer says so.
	tn.Set(Plan{Active: of("b")})
	if v := tn.Decide(at(abi.KindTimeout, 1)); v.Fault != policy.FaultNotLoaded || v.Action != abi.ActionDefault {
		t.Errorf("%+v", v)
	}
}

// TestLearnedStateMoves: where a version begins that is loaded for the first
// time.
func TestLearnedStateMoves(t *testing.T) {
	run := func(what, want string, states *fakeStates, f func(*testing.T, *Tenant)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			l := newLoader()
			cfg := Config{Name: "t", Loader: l}
			if states != nil {
				cfg.States = states
			}
			tn := New(cfg)
			defer tn.Close()
			f(t, tn)
			tn.Warm(t.Context())
			synctest.Wait()
			if l.last() != want {
				t.Errorf("%s: %v, want %s", what, l.loads, want)
			}
		})
	}
	given := func(digest, learned string) *RoleVersion {
		return with(&fakeGuest{digest: digest, learned: policy.State{Bytes: []byte(learned)}})
	}
	own := newStates()
	own.kept["t/b"] = "own"
	run("its own", "b<own", own, func(t *testing.T, tn *Tenant) {
		tn.Set(Plan{Active: given("a", "as"), Canary: of("b")})
	})
	run("the active guest's", "b<as", newStates(), func(t *testing.T, tn *Tenant) {
		tn.Set(Plan{Active: given("a", "as"), Shadow: of("b")})
	})
	run("that of the guest before", "b<as", nil, func(t *testing.T, tn *Tenant) {
		tn.Set(Plan{Active: given("a", "as")})
		tn.Set(Plan{Active: of("b")})
	})
	run("that of the version before, which had no guest", "b<kept", &fakeStates{kept: map[string]string{"t/a": "kept"}}, func(t *testing.T, tn *Tenant) {
		tn.Set(Plan{Active: of("a")})
		tn.Set(Plan{Active: of("b")})
	})
	run("that of the active one, which has no guest", "b<a", newStates(), func(t *testing.T, tn *Tenant) {
		tn.Set(Plan{Active: of("a")})
		tn.Warm(t.Context())
		tn.Cool(0)
		tn.loader.(*fakeLoader).loads = nil
		tn.Set(Plan{Active: of("a"), Canary: of("b")})
		tn.tryStartLoad(tn.plan.Load().canary.resident)
		tn.mu.Lock()
		l := tn.plan.Load().canary.resident.loading
		tn.mu.Unlock()
		<-l.done
		if got := tn.loader.(*fakeLoader).last(); got != "b<a" {
			t.Errorf("before the active is loaded: %s", got)
		}
		tn.Set(Plan{Canary: of("b")}) // and no load after it
	})
	kept := newStates()
	run("of versions that went", "", kept, func(t *testing.T, tn *Tenant) {
		tn.Set(Plan{Active: given("a", "as"), Canary: given("b", "bs")})
		tn.Set(Plan{})
		if kept.get("t/a") != "as" || kept.get("t/b") != "bs" {
			t.Errorf("kept %v", kept.kept)
		}
	})
	last := newStates()
	run("of a tenant that closes", "", last, func(t *testing.T, tn *Tenant) {
		tn.Set(Plan{Active: given("a", "as")})
		tn.Close()
		if last.get("t/a") != "as" {
			t.Errorf("kept %v", last.kept)
		}
	})
}

func TestHeritageIsToldBeforehand(t *testing.T) {
	states := newStates()
	states.kept["t/c"] = "own"
	tn := New(Config{Name: "t", States: states})
	defer tn.Close()
	tn.Set(Plan{Active: with(&fakeGuest{digest: "a", learned: policy.State{Bytes: []byte("as")}})})
	for digest, want := range map[string]string{"a": "", "b": "as", "c": "own"} {
		if got := tn.Heritage(Version{Digest: digest}); string(got.Bytes) != want {
			t.Errorf("%s: %q, want %q", digest, got.Bytes, want)
		}
	}
}

// TestATenantIsSmall: 10,000 of them have to be.
func TestATenantIsSmall(t *testing.T) {
	const n = 1000
	var before, after runtime.MemStats
	tns := make([]*Tenant, n)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range tns {
		tns[i] = New(Config{Name: "t"})
		tns[i].Set(Plan{Active: of("a")})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 2048 {
		t.Errorf("%d bytes each", each)
	} else {
		t.Logf("%d bytes each", each)
	}
	runtime.KeepAlive(tns)
}
