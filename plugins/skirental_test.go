package plugins_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"idlehost/sdk/abi"
)

func TestSkirentalHoldsForTheWorth(t *testing.T) {
	g := started(t, "skirental")
	for _, worth := range []uint32{1, 30_000, 4_000_000_000} {
		g.e.WorthMs = worth
		g.ask(t, abi.KindAccept)
		if got := g.after(t, 0); got != worth || g.e.Leases[abi.PhaseIdle] != worth {
			t.Errorf("worth %d: asks at %d, closes at %d", worth, g.e.Leases[abi.PhaseIdle], got)
		}
	}
	g.e.WorthMs = 0
	if got := g.after(t, 100); got != 60_000 {
		t.Errorf("without a worth: closes at %d, want a minute", got)
	}
	if got := started(t, "skirental", "worth=9s").after(t, 100); got != 9_000 {
		t.Errorf("worth=9s: closes at %d", got)
	}
}

// The times drawn have the density e^(t/B) / (B (e-1)) on 0 to B: the k-th of
// n in order is near B ln(1 + (k/n)(e-1)).
func TestSkirentalDrawsFromTheDensity(t *testing.T) {
	const n, worth = 4000, 60_000
	g := started(t, "skirental", "mode=random")
	random := rand.New(rand.NewPCG(1, 2))
	var below [10]int
	for i := range n {
		g.e.State, g.e.Random, g.e.NowMs = [abi.StateSize]uint8{}, random.Uint64(), uint64(1+i)
		tau := g.after(t, 0)
		if tau > worth {
			t.Fatalf("drew %d, over the worth", tau)
		}
		for k := range below {
			if float64(tau) <= worth*math.Log(1+float64(k)/10*(math.E-1)) {
				below[k]++
			}
		}
	}
	for k, got := range below {
		if want := n * k / 10; math.Abs(float64(got-want)) > 4*math.Sqrt(n)/2 {
			t.Errorf("%d of %d drawn below the %d. decile, want about %d", got, n, k, want)
		}
	}
}

func TestSkirentalDrawsOnceForAnIdlePeriod(t *testing.T) {
	g := started(t, "skirental", "mode=random")
	g.e.NowMs, g.e.Random = 1_000_000, 1<<63
	g.ask(t, abi.KindAccept)
	first := g.after(t, 100)
	g.e.Random = 1 << 61
	for ms := uint32(200); ms < first; ms *= 2 {
		g.e.NowMs = 1_000_000 - 100 + uint64(ms)
		if got := g.after(t, ms); got != first {
			t.Fatalf("asked again at %d: closes at %d, had drawn %d", ms, got, first)
		}
	}
	g.e.NowMs += 5_000 // used 4.9 s after the last ask, idle again
	if got := g.after(t, 100); got == first {
		t.Error("the next idle period got the time of the last")
	}
}

func TestSkirentalWithPrediction(t *testing.T) {
	for _, mode := range []string{"mode=deterministic", "mode=random"} {
		g := started(t, "skirental", mode, "lambda=0.25")
		g.e.Random = 1<<64 - 1
		near := func(got uint32, want float64) bool { return math.Abs(float64(got)-want) <= 2 }
		for range 9 {
			g.gaps(abi.GapKindReturned, 5_000)
		}
		if got := g.after(t, 100); !near(got, 240_000) {
			t.Errorf("%s: returns soon, held to %d, want worth / lambda", mode, got)
		}
		g.e.NowMs += 1000_000
		for range 30 {
			g.gaps(abi.GapKindReturned, 600_000)
		}
		if got := g.after(t, 100); !near(got, 15_000) {
			t.Errorf("%s: returns late, held to %d, want lambda x worth", mode, got)
		}
		g.e.NowMs += 1000_000
		g.e.ClientGaps = [abi.ClientGaps]uint32{}
		g.tenant(&g.g.Cut, 5_000, 10)
		if got := g.after(t, 100); !near(got, 15_000) {
			t.Errorf("%s: a tenant whose clients never return, held to %d", mode, got)
		}
	}
}
