package tenant

import (
	"testing"
	"testing/synctest"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func sideOf(t *testing.T, tn *Tenant, role policy.Role) RoleStats {
	t.Helper()
	for _, s := range tn.Stats().Sides {
		if s.Role == role {
			return s
		}
	}
	t.Fatalf("no version is %v", role)
	return RoleStats{}
}

func TestAPromotedCanaryKeepsItsGuest(t *testing.T) {
	l := newLoader()
	tn := New(Config{Loader: l})
	a, c := &fakeGuest{digest: "a", reason: 1}, &fakeGuest{digest: "c", reason: 2}
	tn.Set(Plan{Active: with(a), Canary: with(c), Percent: 50})
	client := clientOn(t, tn, policy.RoleCanary)
	if v := tn.Decide(at(abi.KindTimeout, client)); v.Reason != 2 || v.Role != policy.RoleCanary || v.Source != policy.SourcePolicy {
		t.Fatalf("the canary's client: %+v", v)
	}
	if v := tn.Decide(at(abi.KindTimeout, clientOn(t, tn, policy.RoleActive))); v.Reason != 1 || v.Role != policy.RoleActive {
		t.Fatalf("another's: %+v", v)
	}
	if s := sideOf(t, tn, policy.RoleCanary); s.Asks != 1 || !s.Loaded {
		t.Fatalf("canary: %+v", s)
	}
	tn.Set(Plan{Active: of("c")})
	if v := tn.Decide(at(abi.KindTimeout, client)); v.Reason != 2 || v.Role != policy.RoleActive {
		t.Fatalf("promoted: %+v", v)
	}
	if s := sideOf(t, tn, policy.RoleActive); s.Asks != 1 {
		t.Errorf("a new role begins a new record: %+v", s)
	}
	isClosed(t, "the old active", a, 1)
	isClosed(t, "the promoted", c, 0)
	if l.count() != 0 {
		t.Errorf("loaded: %v", l.loads)
	}
	tn.Close()
	isClosed(t, "the promoted, after all", c, 1)
}

func TestTheSameRoleKeepsItsRecord(t *testing.T) {
	tn := New(Config{})
	a := &fakeGuest{digest: "a", fault: policy.FaultTrap}
	v := Version{Digest: "a", Params: map[string]string{"k": "v"}}
	tn.Set(Plan{Active: &RoleVersion{Version: v, Guest: a}})
	tn.Decide(at(abi.KindTimeout, 1))
	tn.Closed(policy.RoleActive)
	again := &fakeGuest{digest: "a"}
	tn.Set(Plan{Active: &RoleVersion{Version: Version{"a", map[string]string{"k": "v"}}, Guest: again}, Canary: with(&fakeGuest{digest: "c"}), Percent: 1})
	tn.Decide(at(abi.KindTimeout, 0))
	if s := sideOf(t, tn, policy.RoleActive); s.Asks != 2 || s.Faults[policy.FaultTrap] != 2 || s.Closes != 1 || s.LastFault != "trap" {
		t.Errorf("active: %+v", s)
	}
	isClosed(t, "the guest that was there", a, 0)
	isClosed(t, "one that was not needed", again, 1)
	// Other parameters make another version.
	other := &fakeGuest{digest: "a"}
	tn.Set(Plan{Active: &RoleVersion{Version: Version{"a", map[string]string{"k": "w"}}, Guest: other}})
	tn.Decide(at(abi.KindTimeout, 0))
	if s := sideOf(t, tn, policy.RoleActive); s.Asks != 1 || s.Closes != 0 {
		t.Errorf("with other parameters: %+v", s)
	}
	isClosed(t, "with the old parameters", a, 1)
	isClosed(t, "with the new parameters", other, 0)
}

func TestAVersionMayHaveSeveralRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		tn := New(Config{Loader: l})
		tn.Set(Plan{Active: of("a"), Canary: of("a"), Shadow: of("a"), Percent: 100})
		tn.Warm(t.Context())
		for range 3 {
			tn.Decide(at(abi.KindTimeout, 7))
		}
		tn.Decide(at(abi.KindTimeout, 0))
		g := l.guest("a")
		if l.count() != 1 || g.asked.Load() != 8 || tn.Loaded() != 3 {
			t.Errorf("%d loads, %d questions, %d roles are filled", l.count(), g.asked.Load(), tn.Loaded())
		}
		for role, want := range map[policy.Role]uint64{policy.RoleActive: 1, policy.RoleCanary: 3, policy.RoleShadow: 4} {
			if s := sideOf(t, tn, role); s.Asks != want {
				t.Errorf("%v: %d questions, want %d", role, s.Asks, want)
			}
		}
		tn.Set(Plan{Shadow: of("a")})
		isClosed(t, "still in the shadow", g, 0)
		tn.Set(Plan{})
		isClosed(t, "without a role", g, 1)
		tn.Close()
	})
}

func TestGuestsThatComeTooLateAreClosed(t *testing.T) {
	tn := New(Config{})
	tn.Close()
	a, c, s := &fakeGuest{digest: "a"}, &fakeGuest{digest: "c"}, &fakeGuest{digest: "s"}
	tn.Set(Plan{Active: with(a), Canary: with(c), Shadow: with(s)})
	for _, g := range []*fakeGuest{a, c, s} {
		isClosed(t, g.digest, g, 1)
	}
	if v := tn.Decide(at(abi.KindTimeout, 1)); v.Source != policy.SourceNative || tn.Digest() != "" {
		t.Errorf("a closed tenant: %+v", v)
	}
	if err := tn.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatFailsInTheCanaryMayFallToTheActive(t *testing.T) {
	tn := New(Config{Remedies: previousFor(policy.FaultTrap)})
	a, c := &fakeGuest{digest: "a", reason: 1}, &fakeGuest{digest: "c", fault: policy.FaultTrap}
	tn.Set(Plan{Active: with(a), Canary: with(c), Percent: 100})
	v := tn.Decide(at(abi.KindTimeout, 7))
	if v.Reason != 1 || v.Source != policy.SourceFallback || v.Fault != policy.FaultTrap || v.Role != policy.RoleCanary {
		t.Errorf("%+v", v)
	}
	// Without an active version it is the native one.
	tn.Set(Plan{Canary: of("c"), Percent: 100})
	if v := tn.Decide(at(abi.KindTimeout, 7)); v.Reason != 0 || v.Action != abi.ActionDefault {
		t.Errorf("%+v", v)
	}
}

func TestThePreviousPolicyIsLoadedAgainWhenItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		tn := New(Config{Loader: l, Remedies: previousFor(policy.FaultTrap)})
		defer tn.Close()
		tn.Set(Plan{Active: of("a")})
		tn.Warm(t.Context())
		tn.Set(Plan{Active: with(&fakeGuest{digest: "b", fault: policy.FaultTrap})})
		first := l.guest("a")
		isClosed(t, "the previous", first, 0)
		tn.Decide(at(abi.KindTimeout, 1))
		if first.asked.Load() != 1 {
			t.Error("the previous policy was not asked")
		}
		tn.Cool(0)
		isClosed(t, "the previous, cooled", first, 1)
		tn.Set(Plan{Active: with(&fakeGuest{digest: "b", fault: policy.FaultTrap})})
		tn.Decide(at(abi.KindTimeout, 1))
		synctest.Wait()
		if l.count() != 2 {
			t.Fatalf("loads: %v", l.loads)
		}
		if tn.Decide(at(abi.KindTimeout, 1)); l.guest("a").asked.Load() != 1 {
			t.Error("the previous policy was not asked after it was loaded again")
		}
	})
}

func TestEndsAreToldToThoseWhoWantIt(t *testing.T) {
	tn := New(Config{})
	a, c, s := &fakeGuest{digest: "a"}, &fakeGuest{digest: "c"}, &fakeGuest{digest: "s"}
	plan := Plan{
		Active: with(a), Percent: 100,
		Canary: &RoleVersion{Version: Version{Digest: "c"}, Guest: closeWatcher{c}},
		Shadow: &RoleVersion{Version: Version{Digest: "s"}, Guest: closeWatcher{s}},
	}
	tn.Set(plan)
	if !tn.WantsClose() {
		t.Fatal("nobody wants to be told")
	}
	tn.Decide(at(abi.KindClose, 7))
	tn.Decide(at(abi.KindClose, 0))
	if a.asked.Load() != 0 || c.asked.Load() != 1 || s.asked.Load() != 2 {
		t.Errorf("active %d, canary %d, shadow %d", a.asked.Load(), c.asked.Load(), s.asked.Load())
	}
	if c := tn.Stats().Comparison; c.Asks != 0 {
		t.Errorf("an end has been compared: %+v", c)
	}
	if tn.DigestOf(policy.RoleCanary) != "c" || tn.DigestOf(policy.RoleShadow) != "s" || tn.DigestOf(policy.RoleActive) != "a" {
		t.Error("digests by role")
	}
	tn.Set(Plan{Active: of("a")})
	if tn.WantsClose() || tn.DigestOf(policy.RoleCanary) != "" {
		t.Error("of versions that have gone")
	}
}

// TestNobodyWaitsForWhatWasLearned: a worker may take a second to tell it, for
// which the tenant is not locked.
func TestNobodyWaitsForWhatWasLearned(t *testing.T) {
	tn := New(Config{Loader: newLoader()})
	defer tn.Close()
	told := 0
	a := &fakeGuest{digest: "a", learned: policy.State{Format: 1, Bytes: []byte("a")}}
	a.tells = func() {
		told++
		if !tn.mu.TryLock() {
			t.Error("it is fetched with the tenant locked")
			return
		}
		tn.mu.Unlock()
	}
	tn.Set(Plan{Active: with(a)})
	tn.Set(Plan{Active: of("c")})
	if r := tn.plan.Load().active.resident; told == 0 || string(r.legacy.Bytes) != "a" {
		t.Errorf("fetched %d times, the next begins with %q", told, r.legacy.Bytes)
	}
}
