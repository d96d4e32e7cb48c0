package tenant

import (
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant/spec"
	"idlehost/sdk/abi"
)

// every returns an answer that is a fault at every nth question.
type everyNth struct {
	fakeGuest
	n int64
	f policy.Fault
}

func (g *everyNth) Decide(q *policy.Ask) (policy.Verdict, policy.Fault) {
	if i := g.asked.Add(1); g.n > 0 && i%g.n == 0 {
		return policy.Verdict{}, g.f
	}
	return policy.Verdict{Action: abi.ActionExtend, Deadline: time.Second}, policy.FaultNone
}

func nth(digest string, n int64, f policy.Fault) *RoleVersion {
	return &RoleVersion{Version: Version{Digest: digest}, Guest: &everyNth{fakeGuest: fakeGuest{digest: digest}, n: n, f: f}}
}

// onBothSides asks n questions of the canary and m of the active version.
func onBothSides(t *testing.T, tn *Tenant, n, m int) {
	t.Helper()
	for _, c := range []struct {
		role policy.Role
		n    int
	}{{policy.RoleCanary, n}, {policy.RoleActive, m}} {
		client := clientOn(t, tn, c.role)
		for range c.n {
			tn.Decide(at(abi.KindTimeout, client))
		}
	}
}

func judged(t *testing.T, what string, tn *Tenant, want string) {
	t.Helper()
	if reason, worse := tn.Judge(); worse != (want != "") || worse && reason != want {
		t.Errorf("%s: %v, %q; want %q", what, worse, reason, want)
	}
}

func TestACanaryThatFaultsIsWorse(t *testing.T) {
	tn := New(Config{})
	judged(t, "without a canary", tn, "")
	tn.Set(Plan{Active: nth("a", 1000, policy.FaultTrap), Canary: nth("c", 8, policy.FaultFuel), Percent: 20})
	onBothSides(t, tn, 99, 11_204)
	judged(t, "too early to tell", tn, "")
	onBothSides(t, tn, 1240-99, 0)
	judged(t, "faults", tn, "faults: 12.5 % of 1,240 answers against 0.1 % of 11,204")
	tn.Set(Plan{Active: of("a"), Canary: of("c"), Percent: 30, Guard: spec.Guard{Faults: 0.13}})
	judged(t, "within a wider margin", tn, "")
	tn.Set(Plan{Active: of("a"), Canary: of("c"), Percent: 30, Guard: spec.Guard{MinSamples: 2000}})
	judged(t, "with more samples wanted", tn, "")
	tn.Set(Plan{Active: of("a")})
	judged(t, "taken back", tn, "")
}

// TestTheHostsDoingIsNoFaultOfACanary: such questions do not even count.
func TestTheHostsDoingIsNoFaultOfACanary(t *testing.T) {
	for _, fault := range []policy.Fault{policy.FaultBusy, policy.FaultRate, policy.FaultNotLoaded} {
		tn := New(Config{})
		tn.Set(Plan{Active: nth("a", 0, 0), Canary: nth("c", 1, fault), Percent: 50})
		onBothSides(t, tn, 1000, 1000)
		judged(t, fault.String(), tn, "")
	}
	for _, fault := range []policy.Fault{
		policy.FaultRefused, policy.FaultCompile, policy.FaultInit, policy.FaultConfigure, policy.FaultTrap,
		policy.FaultFuel, policy.FaultMemory, policy.FaultOutput, policy.FaultBreaker,
	} {
		tn := New(Config{})
		tn.Set(Plan{Active: nth("a", 0, 0), Canary: nth("c", 1, fault), Percent: 50})
		onBothSides(t, tn, 100, 100)
		judged(t, fault.String(), tn, "faults: 100.0 % of 100 answers against 0.0 % of 100")
	}
}

func TestACanaryThatCannotBeLoadedIsWorse(t *testing.T) {
	tn := New(Config{})
	tn.Set(Plan{Active: nth("a", 0, 0), Canary: &RoleVersion{Version: Version{Digest: "c"}, Lost: policy.FaultCompile}, Percent: 50})
	onBothSides(t, tn, 100, 100)
	judged(t, "lost", tn, "faults: 100.0 % of 100 answers against 0.0 % of 100")
}

// TestTheActiveIsJudgedOverTheSameTime: what it did before does not excuse the
// canary, nor what the canary did beside another active version.
func TestTheActiveIsJudgedOverTheSameTime(t *testing.T) {
	tn := New(Config{})
	a := nth("a", 2, policy.FaultTrap)
	tn.Set(Plan{Active: a})
	for range 1000 {
		tn.Decide(at(abi.KindTimeout, 1))
	}
	a.Guest.(*everyNth).n = 0
	tn.Set(Plan{Active: of("a"), Canary: nth("c", 4, policy.FaultTrap), Percent: 50})
	onBothSides(t, tn, 200, 200)
	judged(t, "a bad past of the active", tn, "faults: 25.0 % of 200 answers against 0.0 % of 200")
	tn.Set(Plan{Active: nth("b", 0, 0), Canary: of("c"), Percent: 50})
	judged(t, "another active", tn, "")
	tn.Set(Plan{Active: of("b"), Canary: of("c"), Percent: 60})
	onBothSides(t, tn, 200, 0)
	judged(t, "of which nobody has asked", tn, "faults: 25.0 % of 200 answers against 0.0 % of 0")
}

// TestClosesThatClientsRegretAreWorse, with clients that come back so long
// after.
func TestClosesThatClientsRegretAreWorse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := func(early, late float64) (tn *Tenant, canary, active uint64) {
			tn = New(Config{Worth: time.Second})
			tn.Set(Plan{Active: nth("a", 0, 0)})
			for range 200 {
				tn.Closed(policy.RoleActive)
			}
			tn.Set(Plan{Active: of("a"), Canary: nth("c", 0, 0), Percent: 50, Guard: spec.Guard{EarlyCloses: early, LateRequests: late}})
			time.Sleep(time.Minute)
			return tn, clientOn(t, tn, policy.RoleCanary), clientOn(t, tn, policy.RoleActive)
		}
		traffic := func(tn *Tenant, client uint64, role policy.Role, closes, returns int, after time.Duration, late bool) {
			for range closes {
				tn.Closed(role)
			}
			for range returns {
				tn.Returned(client, after, late)
			}
		}
		tn, c, a := start(0, 0)
		traffic(tn, c, policy.RoleCanary, 500, 150, time.Second, false)
		traffic(tn, a, policy.RoleActive, 5000, 510, time.Second, false)
		judged(t, "early", tn, "early closes: 30.0 % of 500 closes against 10.2 % of 5,000")
		s := sideOf(t, tn, policy.RoleCanary)
		if s.Closes != 500 || s.Early != 150 || s.Late != 0 {
			t.Errorf("%+v", s)
		}

		tn, c, a = start(0, 0)
		traffic(tn, c, policy.RoleCanary, 500, 150, time.Second+1, false)
		traffic(tn, a, policy.RoleActive, 5000, 510, time.Second, false)
		judged(t, "a nanosecond later than a reconnect is worth", tn, "")
		tn.SetWorth(2 * time.Second)
		traffic(tn, c, policy.RoleCanary, 0, 150, time.Second+1, false)
		judged(t, "when it is worth more", tn, "early closes: 30.0 % of 500 closes against 10.2 % of 5,000")

		tn, c, a = start(0, 0)
		traffic(tn, c, policy.RoleCanary, 500, 150, time.Minute, true)
		traffic(tn, a, policy.RoleActive, 5000, 510, time.Minute, true)
		judged(t, "late", tn, "late requests: 30.0 % of 500 closes against 10.2 % of 5,000")

		tn, c, _ = start(0, 0)
		traffic(tn, c, policy.RoleCanary, 500, 150, 0, true)
		judged(t, "where the active version has only its past", tn, "early closes: 30.0 % of 500 closes against 0.0 % of 200")

		// 15 % against 10 %, of a few: chance, or within the margin.
		tn, c, a = start(0, 0)
		traffic(tn, c, policy.RoleCanary, 100, 15, 0, false)
		traffic(tn, a, policy.RoleActive, 1000, 100, 0, false)
		judged(t, "by chance", tn, "")
		tn, c, a = start(-1, 0)
		traffic(tn, c, policy.RoleCanary, 10_000, 1150, 0, false)
		traffic(tn, a, policy.RoleActive, 10_000, 1000, 0, false)
		judged(t, "any worse rate", tn, "early closes: 11.5 % of 10,000 closes against 10.0 % of 10,000")
	})
}

// TestWithNothingToCompareClosesAreNoReason: some clients are always back early.
func TestWithNothingToCompareClosesAreNoReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := New(Config{Worth: time.Second})
		tn.Set(Plan{Canary: nth("c", 0, 0), Percent: 100})
		time.Sleep(time.Minute)
		for range 500 {
			tn.Closed(policy.RoleCanary)
			tn.Returned(7, 0, true)
		}
		judged(t, "no other closes", tn, "")
		for range 200 { // the native policy's
			tn.Closed(policy.RoleActive)
		}
		judged(t, "the native policy's", tn, "early closes: 100.0 % of 500 closes against 0.0 % of 200")
	})
}

// TestACloseBeforeTheRoleIsNotCounted: a client that comes back to a version
// was closed by another if that is longer ago than its role, or its side.
func TestACloseBeforeTheRoleIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := New(Config{Worth: time.Hour})
		tn.Set(Plan{Active: nth("a", 0, 0)})
		time.Sleep(time.Minute)
		tn.Returned(0, time.Minute+1, true)
		tn.Returned(0, time.Minute, true)
		if s := sideOf(t, tn, policy.RoleActive); s.Early != 1 || s.Late != 1 {
			t.Errorf("%+v", s)
		}
		tn.Set(Plan{Active: of("a"), Canary: nth("c", 0, 0), Percent: 10})
		time.Sleep(time.Minute)
		tn.Set(Plan{Active: of("a"), Canary: of("c"), Percent: 100})
		tn.Returned(7, time.Second, true) // while its side was perhaps the other
		time.Sleep(time.Second)
		tn.Set(Plan{Active: of("a"), Canary: of("c"), Percent: 100, Guard: spec.Guard{Faults: 1}}) // the same sides
		tn.Returned(7, time.Second, true)
		if s := sideOf(t, tn, policy.RoleCanary); s.Late != 1 {
			t.Errorf("%+v", s)
		}
		tn.Closed(policy.RoleShadow) // there is none
		tn.Closed(200)
	})
}

func TestGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
