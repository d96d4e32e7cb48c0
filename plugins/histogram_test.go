package plugins_test

import (
	"testing"

	"idlehost/sdk/abi"
)

const own, tenants, fallback, rare = quietOwn, quietOwn + 1, quietOwn + 2, quietOwn + 3

func (g *guest) wantHistogram(t *testing.T, what string, ms uint32, reason uint16) {
	t.Helper()
	got := g.after(t, 100)
	if a := g.ask(t, abi.KindTimeout); got != ms || a.reason != reason {
		t.Errorf("%s: closes at %d for reason %d, want %d for %d", what, got, a.reason, ms, reason)
	}
}

func TestHistogramHoldsPastThePercentile(t *testing.T) {
	g := started(t, "histogram")
	for range 20 {
		g.gaps(abi.GapKindReturned, 10_000)
	}
	end := abi.BinLow(abi.Bin(10_000) + 1)
	g.wantHistogram(t, "a client's habit", end*11/10, own)
	g.tenant(&g.g.Returned, 1_000, 1_000)
	g.wantHistogram(t, "its tenant does otherwise", end*11/10, own)
	g.e.ClientGaps = [abi.ClientGaps]uint32{}
	g.wantHistogram(t, "a stranger", abi.BinLow(abi.Bin(1_000)+1)*11/10, tenants)
	g.gaps(abi.GapKindReturned, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000)
	g.wantHistogram(t, "seven gaps are not enough", abi.BinLow(abi.Bin(1_000)+1)*11/10, tenants)
}

func TestHistogramPercentileAndMargin(t *testing.T) {
	g := started(t, "histogram", "percentile=0.5", "margin=0")
	g.tenant(&g.g.Returned, 1_000, 60)
	g.tenant(&g.g.Returned, 30_000, 40)
	g.wantHistogram(t, "the median", abi.BinLow(abi.Bin(1_000)+1), tenants)
	g = started(t, "histogram", "percentile=0.61", "margin=0.5")
	g.tenant(&g.g.Returned, 1_000, 60)
	g.tenant(&g.g.Returned, 30_000, 40)
	g.wantHistogram(t, "past six in ten", abi.BinLow(abi.Bin(30_000)+1)*3/2, tenants)
}

func TestHistogramThatIsSpreadOut(t *testing.T) {
	g := started(t, "histogram", "fallback=33s")
	for i := range uint32(abi.ClientGaps) {
		g.gaps(abi.GapKindReturned, abi.BinLow(int(i)+8))
	}
	g.wantHistogram(t, "gaps of all lengths", 33_000, fallback)
	g = started(t, "histogram", "cv=0")
	for i := range uint32(abi.ClientGaps) {
		g.gaps(abi.GapKindReturned, abi.BinLow(int(i)+8))
	}
	g.wantHistogram(t, "any spread will do", abi.BinLow(abi.ClientGaps+8)*11/10, own)
}

func TestHistogramOfGapsPastTheRange(t *testing.T) {
	g := started(t, "histogram", "range=30s")
	g.gaps(abi.GapKindReturned, 5_000, 5_000, 5_000, 5_000)
	g.gaps(abi.GapKindReturned, 90_000, 90_000)
	g.gaps(abi.GapKindCut, 20)
	g.gaps(abi.GapKindGone, 20)
	g.wantHistogram(t, "half of them", abi.BinLow(abi.Bin(5_000)+1)*11/10, own)
	g.gaps(abi.GapKindCut, 20)
	g.wantHistogram(t, "most of them", 1_000, rare)
}

func TestHistogramKnowingNothing(t *testing.T) {
	g := started(t, "histogram")
	g.e.IdleMs = 100
	if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault || a.reason != quietNoData {
		t.Errorf("answer %+v, want the default for want of data", a)
	}
	if got := started(t, "histogram", "fallback=12s").after(t, 100); got != 12_000 {
		t.Errorf("fallback=12s: closes at %d", got)
	}
}
