package books

import (
	"math"
	"testing"

	"idlehost/sdk/abi"
)

func TestDecayHalvesAfterHalfLife(t *testing.T) {
	for _, halfLife := range []int{1, 10, 4096, 100_000} {
		h := newBlank(halfLife).histogram(0, 0)
		h.add(abi.GapKindReturned, 1)
		for range halfLife {
			h.add(abi.GapKindReturned, 1000)
		}
		got := float64(h.gaps.Returned[0]) / float64(h.gaps.Unit)
		// The next gap would be one more gap away.
		want := math.Exp2(-float64(halfLife+1) / float64(halfLife))
		if math.Abs(got-want) > 0.01*want {
			t.Errorf("half-life %d: weight %.4f of a fresh gap, want %.4f", halfLife, got, want)
		}
	}
}

func TestWeightsNeverOverflow(t *testing.T) {
	for _, halfLife := range []int{1, 2, 3, 1000, 1 << 16} {
		h := newBlank(halfLife).histogram(0, 0)
		var top uint32
		for range 12 * halfLife {
			before := h.gaps.Returned[0]
			h.add(abi.GapKindReturned, 1)
			if now := h.gaps.Returned[0]; now < before/2 {
				t.Fatalf("half-life %d: a cell fell from %d to %d", halfLife, before, now)
			}
			top = max(top, h.gaps.Returned[0])
		}
		if top > math.MaxUint32/2 {
			t.Errorf("half-life %d: a cell reached %d", halfLife, top)
		}
	}
	h := newBlank(maxHalfLife).histogram(0, 0)
	if h.gaps.Unit < 128 {
		t.Errorf("longest half-life: unit %d", h.gaps.Unit)
	}
}

func TestComeBackConservesWeightAcrossHalvings(t *testing.T) {
	h := newBlank(5).histogram(0, 0)
	for n := range 40 {
		m := h.add(abi.GapKindCut, 50)
		for range n {
			h.add(abi.GapKindCut, 50)
		}
		before := sum(&h.gaps)
		h.comeBack(m, 9000)
		if after := sum(&h.gaps); after != before {
			t.Fatalf("%d gaps later: weight %d became %d", n, before, after)
		}
	}
}

// TestGenerationsNeverMeet: 0 is nobody's, a blank's is nobody else's, and no
// stage ever has another's.
func TestGenerationsNeverMeet(t *testing.T) {
	for n := range stage(stageCount) {
		h := newBlank(10).histogram(0, n)
		for _, from := range []uint32{h.gaps.Generation, math.MaxUint32/stageCount*stageCount + uint32(n)} {
			h.gaps.Generation = from
			for range 3 {
				h.add(abi.GapKindGone, 1)
				if g := h.gaps.Generation; g < stageCount || g%stageCount != uint32(n) {
					t.Fatalf("stage %d: from generation %d to %d", n, from, g)
				}
			}
		}
	}
}

func sum(g *abi.Gaps) (n uint64) {
	for i := range abi.Bins {
		n += uint64(g.Returned[i]) + uint64(g.Gone[i]) + uint64(g.Cut[i])
	}
	return n
}
