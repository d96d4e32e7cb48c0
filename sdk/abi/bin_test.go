package abi_test

import (
	"math"
	"testing"
	"testing/quick"

	"idlehost/sdk/abi"
)

// TestBinsMeetAtTheirEdges: BinLow(i) is the first gap of bin i, and the one
// before it is in the bin before.
func TestBinsMeetAtTheirEdges(t *testing.T) {
	if abi.BinLow(-1) != 0 || abi.BinLow(0) != 0 {
		t.Error("bin 0 does not begin at 0")
	}
	for i := 1; i < abi.Bins; i++ {
		low := abi.BinLow(i)
		if low <= abi.BinLow(i-1) {
			t.Errorf("bin %d begins at %d, the one before at %d", i, low, abi.BinLow(i-1))
		}
		if got := abi.Bin(low); got != i {
			t.Errorf("Bin(%d) is %d, want %d", low, got, i)
		}
		if got := abi.Bin(low - 1); got != i-1 {
			t.Errorf("Bin(%d) is %d, want %d", low-1, got, i-1)
		}
	}
	if abi.BinLow(abi.Bins) <= abi.BinLow(abi.Bins-1) {
		t.Error("the last bin has no width")
	}
	if got := abi.Bin(math.MaxUint32); got != abi.Bins-1 {
		t.Errorf("the longest gap is in bin %d", got)
	}
}

// TestBinsAreNarrow: from 16 ms on none is wider than a quarter of where it
// begins.
func TestBinsAreNarrow(t *testing.T) {
	for i := 1; i < abi.Bins; i++ {
		if low, high := abi.BinLow(i), abi.BinLow(i+1); high-low > low/4 {
			t.Errorf("bin %d is %d to %d", i, low, high)
		}
	}
}

func TestBinHoldsItsGaps(t *testing.T) {
	if err := quick.Check(func(ms, shift uint32) bool {
		ms >>= shift % 32 // short gaps as often as long ones
		i := abi.Bin(ms)
		return i >= 0 && i < abi.Bins && abi.BinLow(i) <= ms && (i == abi.Bins-1 || ms < abi.BinLow(i+1))
	}, &quick.Config{MaxCount: 10000}); err != nil {
		t.Error(err)
	}
}

// TestVerdictKeepsItsParts: each part in its bits, whatever the others are.
func TestVerdictKeepsItsParts(t *testing.T) {
	if err := quick.Check(func(action, flags uint8, ms uint32, reason uint16) bool {
		v := uint64(abi.Verdict(abi.Action(action), ms, flags, reason))
		return uint32(v) == ms && uint8(v>>32) == action && uint8(v>>40) == flags &&
			uint16(v>>48) == reason&0x7fff && v>>63 == 0
	}, nil); err != nil {
		t.Error(err)
	}
}

// TestNamesOfUnknownValues: what a newer peer says does not panic here.
func TestNamesOfUnknownValues(t *testing.T) {
	for _, s := range []string{
		abi.Kind(255).String(), abi.Phase(10).String(), abi.Side(2).String(),
		abi.Protocol(200).String(), abi.Action(3).String(), abi.GapKind(3).String(),
	} {
		if s != "unknown" {
			t.Errorf("got %q", s)
		}
	}
	if abi.PhaseHalfClosed.String() != "half_closed" || abi.ProtocolHTTP1.String() != "http1" {
		t.Error("known values have other names")
	}
}
