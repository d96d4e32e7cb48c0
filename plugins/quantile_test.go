package plugins_test

import (
	"testing"

	"idlehost/sdk/abi"
)

const reached, capped = quietOwn, quietOwn + 1

func TestQuantileOfTheClient(t *testing.T) {
	for q, want := range map[string]uint32{"0.25": 2_000, "0.5": 4_000, "0.75": 8_000, "1": 16_000} {
		g := started(t, "quantile", "quantile="+q)
		for _, ms := range []uint32{2_000, 4_000, 8_000, 16_000} {
			g.gaps(abi.GapKindReturned, ms, ms, ms, ms, ms)
		}
		if got, end := g.after(t, 100), abi.BinLow(abi.Bin(want)+1); got != end {
			t.Errorf("quantile %s: closes at %d, want the end of its bin, %d", q, got, end)
		}
		if a := g.ask(t, abi.KindTimeout); a.reason != reached {
			t.Errorf("quantile %s: reason %d", q, a.reason)
		}
	}
}

func TestQuantileLooksOnlyAtWhatOutlastsTheLook(t *testing.T) {
	g := started(t, "quantile", "quantile=0.5")
	for range 28 {
		g.gaps(abi.GapKindReturned, 3)
	}
	g.tenant(&g.g.Returned, 3, 10_000)
	g.gaps(abi.GapKindReturned, 9_000, 9_000, 9_000)
	if got := g.after(t, 100); got != abi.BinLow(abi.Bin(9_000)+1) {
		t.Errorf("closes at %d: the gaps within a burst have spoken", got)
	}
}

func TestQuantileShrinksAClientTowardsItsTenant(t *testing.T) {
	g := started(t, "quantile", "quantile=0.5", "prior=5")
	g.tenant(&g.g.Returned, 1_000, 5_000)
	tenant := g.after(t, 100)
	if tenant != abi.BinLow(abi.Bin(1_000)+1) {
		t.Fatalf("a stranger is held to %d", tenant)
	}
	g.gaps(abi.GapKindReturned, 30_000, 30_000, 30_000, 30_000)
	if got := g.after(t, 100); got != tenant {
		t.Errorf("four gaps against five: closes at %d, want %d", got, tenant)
	}
	g.gaps(abi.GapKindReturned, 30_000, 30_000)
	if got := g.after(t, 100); got != abi.BinLow(abi.Bin(30_000)+1) {
		t.Errorf("six gaps against five: closes at %d", got)
	}
}

func TestQuantileWithoutReturns(t *testing.T) {
	g := started(t, "quantile")
	g.gaps(abi.GapKindCut, 5_000)
	g.gaps(abi.GapKindGone, 7_000)
	g.tenant(&g.g.Cut, 5_000, 50)
	g.e.IdleMs = 100
	if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault || a.reason != quietNoData {
		t.Errorf("no gap has ended, but %+v", a)
	}
}

func TestQuantileNeverHoldsPastItsCap(t *testing.T) {
	g := started(t, "quantile")
	g.tenant(&g.g.Returned, 3_000_000, 100)
	if got := g.after(t, 100); got != 60_000 {
		t.Errorf("closes at %d, want the worth", got)
	}
	if a := g.ask(t, abi.KindTimeout); a.reason != capped {
		t.Errorf("reason %d", a.reason)
	}
	g = started(t, "quantile", "most=10m")
	g.tenant(&g.g.Returned, 3_000_000, 100)
	if got := g.after(t, 100); got != 600_000 {
		t.Errorf("most=10m: closes at %d", got)
	}
}
