package plugins_test

import (
	"testing"

	"idlehost/sdk/abi"
)

const reached, nobody = quietOwn, quietOwn + 1

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
	g.e.IdleMs = 100
	if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault || a.reason != quietNoData {
		t.Errorf("nothing is known, but %+v", a)
	}
	g.gaps(abi.GapKindCut, 5_000)
	g.gaps(abi.GapKindGone, 7_000)
	g.tenant(&g.g.Cut, 5_000, 50)
	if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionClose || a.reason != nobody {
		t.Errorf("nobody returns, but %+v", a)
	}
}

func TestQuantileWaitsOnlyForWhatIsWorthIt(t *testing.T) {
	for _, params := range [][]string{nil, {"most=1m", "worth=1h"}, {"worth=1m"}} {
		g := started(t, "quantile", params...)
		if params != nil {
			g.e.WorthMs = 7
		}
		g.tenant(&g.g.Returned, 3_000_000, 100)
		if got := g.after(t, 100); got != 100 {
			t.Errorf("%v: waits until %d for clients that return after 50 minutes", params, got)
		}
		g.tenant(&g.g.Returned, 30_000, 3)
		if got := g.after(t, 100); got != abi.BinLow(abi.Bin(30_000)+1) {
			t.Errorf("%v: closes at %d those that return after 30 s", params, got)
		}
	}
}

func TestQuantileWithALookPastItsEnd(t *testing.T) {
	g := started(t, "quantile", "look=48h", "most=1s")
	g.gaps(abi.GapKindReturned, 500, 500)
	if got := g.after(t, 100); got != 100 {
		t.Errorf("closes at %d", got)
	}
}
