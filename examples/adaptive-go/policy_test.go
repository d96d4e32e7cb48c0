package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	policy "idlehost/sdk/go"
	"idlehost/sdk/go/policytest"
)

// fixed closes at the host's lease.
type fixed struct{}

func (fixed) Accept(*policy.Event) policy.Verdict  { return policy.Default() }
func (fixed) Timeout(*policy.Event) policy.Verdict { return policy.Default() }

// traffic is what a population of clients does, one visit after another.
type traffic func(rng *rand.Rand) policytest.Visit

// cost plays n visits against p and returns their price for a worth of one minute.
func cost(p policy.Policy, lease time.Duration, n int, next traffic) time.Duration {
	rng := rand.New(rand.NewPCG(7, 7))
	h := &policytest.Host{Policy: p, Lease: lease}
	var sum time.Duration
	for range n {
		sum += h.Visit(next(rng)).Cost(time.Minute)
	}
	return sum
}

func gaps(n int, draw func() time.Duration) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = max(draw(), time.Millisecond)
	}
	return all
}

// On each kind of traffic the same policy, with the same parameters, costs
// less than the timeouts that servers come with, and not much more than the
// best fixed timeout chosen in hindsight.
func TestAdaptiveBeatsFixed(t *testing.T) {
	kinds := map[string]traffic{
		"heartbeats of 25 s": func(rng *rand.Rand) policytest.Visit {
			return policytest.Visit{Client: rng.Uint64N(50), Leaves: time.Minute, Gaps: gaps(20, func() time.Duration {
				return 25*time.Second + time.Duration(rng.NormFloat64()*float64(100*time.Millisecond))
			})}
		},
		"clients that come once": func(rng *rand.Rand) policytest.Visit {
			return policytest.Visit{Client: rng.Uint64()}
		},
		"people": func(rng *rand.Rand) policytest.Visit {
			return policytest.Visit{Client: rng.Uint64N(300), Gaps: gaps(rng.IntN(10), func() time.Duration {
				if rng.IntN(3) > 0 {
					return time.Duration(rng.ExpFloat64() * float64(time.Second))
				}
				return time.Duration(rng.ExpFloat64() * float64(3*time.Minute))
			})}
		},
		"two kinds of client": func(rng *rand.Rand) policytest.Visit {
			if rng.IntN(2) == 0 {
				return policytest.Visit{Client: 1000 + rng.Uint64N(20), Gaps: gaps(10, func() time.Duration { return 40 * time.Second })}
			}
			return policytest.Visit{Client: rng.Uint64N(20), Gaps: gaps(10, func() time.Duration { return 5 * time.Minute })}
		},
	}
	const visits = 400
	for name, next := range kinds {
		t.Run(name, func(t *testing.T) {
			got := cost(newAdaptive(), time.Minute, visits, next)
			best, at := time.Duration(1<<62), time.Duration(0)
			for lease := 100 * time.Millisecond; lease < 10*time.Minute; lease += lease / 4 {
				if c := cost(fixed{}, lease, visits, next); c < best {
					best, at = c, lease
				}
			}
			usual := cost(fixed{}, 75*time.Second, visits, next)
			t.Logf("adaptive %v, best fixed %v (at %v), 75 s %v", got.Round(time.Second), best.Round(time.Second), at.Round(time.Second/10), usual.Round(time.Second))
			if got >= usual {
				t.Errorf("costs %v, a fixed 75 s %v", got, usual)
			}
			// Looking before deciding is all that a client that comes once may cost.
			look := visits * newAdaptive().look
			if float64(got) > 1.15*float64(best)+float64(look) {
				t.Errorf("costs %v, the best fixed timeout (%v) %v", got, at, best)
			}
		})
	}
}

func TestAdaptiveLeavesOtherPhases(t *testing.T) {
	for p := policy.PhaseHandshake; p <= policy.PhaseDraining; p++ {
		got := newAdaptive().Timeout(policytest.NewEvent(p, time.Second))
		idle := p == policy.PhaseIdle || p == policy.PhaseStreamIdle
		if left := got == policy.Default(); left == idle {
			t.Errorf("%v: %+v", p, got)
		}
	}
}

func TestAdaptiveGivesWayUnderPressure(t *testing.T) {
	e := policytest.NewEvent(policy.PhaseIdle, 250*time.Millisecond)
	for range 100 {
		policytest.AddGap(&e.Gaps, 20*time.Second, policy.GapReturned)
	}
	if got := newAdaptive().Timeout(e); got.Action != policy.Extend(0).Action || got.Reason != reasonHold {
		t.Errorf("without pressure: %+v", got)
	}
	e.Pressure = 65_535
	if got := newAdaptive().Timeout(e); got != policy.Close().WithReason(reasonClose) {
		t.Errorf("at full pressure: %+v", got)
	}
}

func TestAdaptiveConfigure(t *testing.T) {
	a := newAdaptive()
	err := a.Configure(map[string]string{"look": "1s", "worth": "2m", "prior": "8", "relief": "0"})
	if err != nil {
		t.Fatal(err)
	}
	e := policytest.NewEvent(policy.PhaseIdle, 0)
	a.Accept(e)
	if e.Lease(policy.PhaseIdle) != time.Second || a.fit != (policy.Fit{Worth: 2 * time.Minute, Prior: 8}) || a.relief != 0 {
		t.Errorf("got %+v", a)
	}
	for _, kv := range []string{"look=", "look=-1s", "worth=0s", "prior=NaN", "prior=0", "relief=1000", "relief=-1", "wrth=1s"} {
		key, value, _ := strings.Cut(kv, "=")
		err := newAdaptive().Configure(map[string]string{key: value})
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), `"`+value+`"`) {
			t.Errorf("%s: error %v, want one that names key and value", kv, err)
		}
	}
}

func TestAdaptiveAllocatesNothing(t *testing.T) {
	a := newAdaptive()
	e := policytest.NewEvent(policy.PhaseIdle, 250*time.Millisecond)
	if n := testing.AllocsPerRun(100, func() { a.Accept(e); a.Timeout(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
