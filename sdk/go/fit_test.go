package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"idlehost/sdk/abi"
	policy "idlehost/sdk/go"
	"idlehost/sdk/go/policytest"
)

// ask returns an idle event with n gaps of one length and kind in the tenant's histogram.
func tenant(idle time.Duration, n int, d time.Duration, kind policy.GapKind) *policy.Event {
	e := policytest.NewEvent(policy.PhaseIdle, idle)
	for range n {
		policytest.AddGap(&e.Gaps, d, kind)
	}
	return e
}

func TestFitHoldsJustPastAHeartbeat(t *testing.T) {
	e := tenant(0, 100, 25*time.Second, policy.GapReturned)
	got := policy.Fit{}.Hold(e)
	if got <= 25*time.Second || got > 32*time.Second {
		t.Errorf("hold %v for a 25 s heartbeat, want the end of its bin", got)
	}
	e.IdleMs = 40_000
	if got := (policy.Fit{Worth: 20 * time.Second}).Hold(e); got != 40*time.Second {
		t.Errorf("hold %v once the heartbeat is missed, want to close at 40s", got)
	}
}

func TestFitClosesWhenHoldingCostsMore(t *testing.T) {
	e := tenant(100*time.Millisecond, 100, 10*time.Minute, policy.GapReturned)
	if got := (policy.Fit{}).Hold(e); got != e.Idle() {
		t.Errorf("hold %v for gaps of 10 min at a worth of 1 min", got)
	}
	if got := (policy.Fit{Worth: time.Hour}).Hold(e); got < 10*time.Minute {
		t.Errorf("hold %v for gaps of 10 min at a worth of 1 h", got)
	}
}

func TestFitCountsClientsThatNeverReturn(t *testing.T) {
	for _, kind := range []policy.GapKind{policy.GapCut, policy.GapGone} {
		e := tenant(100*time.Millisecond, 100, 30*time.Second, kind)
		policytest.AddGap(&e.Gaps, 20*time.Second, policy.GapReturned)
		if got := (policy.Fit{}).Hold(e); got != e.Idle() {
			t.Errorf("%v: hold %v though one in 100 returns", kind, got)
		}
	}
}

func TestFitClientOutweighsTenant(t *testing.T) {
	e := tenant(100*time.Millisecond, 10_000, time.Second, policy.GapCut)
	if got := (policy.Fit{}).Hold(e); got != e.Idle() {
		t.Fatalf("new client of a tenant whose clients never return: hold %v", got)
	}
	for range 20 {
		policytest.AddClientGap(e, 10*time.Second, policy.GapReturned)
	}
	if got := (policy.Fit{}).Hold(e); got <= 10*time.Second || got > 13*time.Second {
		t.Errorf("hold %v for a client that returns every 10 s", got)
	}
	if got := (policy.Fit{Prior: 1e6}).Hold(e); got != e.Idle() {
		t.Errorf("hold %v when the tenant's gaps weigh more", got)
	}
}

func TestFitWithoutData(t *testing.T) {
	e := policytest.NewEvent(policy.PhaseIdle, 0)
	got := policy.Fit{}.Hold(e)
	if got <= 0 || got > e.Worth() {
		t.Errorf("hold %v of nothing known, want something up to worth %v", got, e.Worth())
	}
	e.WorthMs = 0
	if again := (policy.Fit{}).Hold(e); again != got {
		t.Errorf("hold %v with no worth told, want as with a minute: %v", again, got)
	}
}

func TestFitKeepsToTheCeiling(t *testing.T) {
	e := tenant(0, 100, 25*time.Second, policy.GapReturned)
	e.CeilingMs = 10_000
	if got := (policy.Fit{}).Hold(e); got > 10*time.Second {
		t.Errorf("hold %v above the ceiling of 10 s", got)
	}
	e.IdleMs = 20_000
	if got := (policy.Fit{}).Hold(e); got != 20*time.Second {
		t.Errorf("hold %v past the ceiling, want to close at 20s", got)
	}
}

// cost is the documented sum, gap by gap, without bins.
func cost(tau, worth float64, gaps []uint32) float64 {
	sum := 0.0
	for _, g := range gaps {
		ms, kind := float64(g&(1<<30-1)), policy.GapKind(g>>30)
		switch {
		case kind == policy.GapCut:
			sum += tau
		case ms <= tau:
			sum += ms
		case kind == policy.GapReturned:
			sum += tau + worth
		default:
			sum += tau
		}
	}
	return sum
}

// The answer from bins costs little more than the best of all holds, found gap by gap.
func TestFitIsNearTheOptimum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		e := policytest.NewEvent(policy.PhaseIdle, 0)
		e.WorthMs = 1000 << rng.IntN(10)
		for i := range e.ClientGaps {
			ms := uint32(1) << (4 + rng.IntN(16))
			e.ClientGaps[i] = ms + rng.Uint32N(ms) | rng.Uint32N(3)<<30
		}
		hold := policy.Fit{Prior: 1e-9}.Hold(e)
		worth := float64(e.WorthMs)
		best := cost(0, worth, e.ClientGaps[:])
		for _, g := range e.ClientGaps {
			if ms := float64(g & (1<<30 - 1)); ms <= worth {
				best = min(best, cost(ms, worth, e.ClientGaps[:]))
			}
		}
		if got := cost(float64(hold.Milliseconds()), worth, e.ClientGaps[:]); got > 1.25*best {
			t.Errorf("hold %v costs %.0f, the best %.0f", hold, got, best)
		}
	}
}

// Holding to the answer and asking on the way gives the same answer, as long
// as nothing new is known.
func TestFitIsConsistent(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		e := policytest.NewEvent(policy.PhaseIdle, 0)
		for range 50 {
			d := time.Duration(16<<rng.IntN(14)) * time.Millisecond
			policytest.AddGap(&e.Gaps, d, policy.GapKind(rng.IntN(3)))
		}
		hold := policy.Fit{}.Hold(e)
		for bin := 1; abi.BinLow(bin) < policy.Millis(hold); bin++ {
			e.IdleMs = abi.BinLow(bin)
			if again := (policy.Fit{}).Hold(e); again < hold {
				t.Errorf("hold %v, but at %d ms only %v", hold, e.IdleMs, again)
			}
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add(uint64(1), uint32(0), uint32(60_000), uint32(0))
	f.Add(uint64(2), uint32(policy.Never), uint32(policy.Never), uint32(1))
	f.Fuzz(func(t *testing.T, seed uint64, idle, worth, ceiling uint32) {
		rng := rand.New(rand.NewPCG(seed, 0))
		e := policytest.NewEvent(policy.PhaseIdle, 0)
		e.IdleMs, e.WorthMs, e.CeilingMs, e.Gaps.Unit = idle, worth, ceiling, rng.Uint32()
		for i := range e.ClientGaps {
			e.ClientGaps[i] = rng.Uint32()
		}
		for i := range e.Gaps.Cut {
			e.Gaps.Returned[i], e.Gaps.Gone[i], e.Gaps.Cut[i] = rng.Uint32(), rng.Uint32(), rng.Uint32()
		}
		hold := policy.Fit{}.Hold(e)
		if hold < e.Idle() {
			t.Errorf("hold %v, already idle for %v", hold, e.Idle())
		}
		if worth > 0 && hold > e.Idle()+e.Worth() {
			t.Errorf("hold %v, idle %v, worth %v", hold, e.Idle(), e.Worth())
		}
	})
}
