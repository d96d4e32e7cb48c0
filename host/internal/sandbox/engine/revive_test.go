package engine

import (
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// TestReviveDoesWhatAQuestionWould before it asks: the fault, the fuel and the
// breaker are the same.
func TestReviveDoesWhatAQuestionWould(t *testing.T) {
	inline, apart := loadGuest(t, counter(7)), loadGuest(t, counter(7))
	ask := func(p *Policy, ms uint64, asks uint32) (uint64, policy.Fault, uint64) {
		q := at(abi.KindTimeout, ms)
		q.Event.Asks = asks
		raw, fault, used := p.Answer(q)
		return raw, fault, used.All
	}
	now := func(ms uint64) uint64 { return at(abi.KindTimeout, ms).Event.NowMs }
	for n, ms := range []uint64{0, 10, 20, 30, 1000, 60_000, 60_001} {
		asks := uint32(13 * ((n + 1) % 2)) // every other question traps
		raw, fault, fuel := ask(inline, ms, asks)
		var made uint64
		if apart.NeedsInstance(now(ms)) {
			before := policy.FaultNone
			if before, made = apart.Revive(now(ms)); before != policy.FaultNone || made == 0 {
				t.Errorf("question %d: %v, %d units", n, before, made)
			}
			if apart.NeedsInstance(now(ms)) {
				t.Error("there is no instance")
			}
		}
		raw2, fault2, fuel2 := ask(apart, ms, asks)
		if raw != raw2 || fault != fault2 || fuel != fuel2+made {
			t.Errorf("question %d: %#x, %v, %d units; apart %#x, %v, %d", n, raw, fault, fuel, raw2, fault2, fuel2+made)
		}
	}
	if a, b := inline.Stats(), apart.Stats(); a != b {
		t.Errorf("stats are %+v where Revive makes instances, want %+v as where questions do", b, a)
	}
	if err := apart.Close(); err != nil {
		t.Fatal(err)
	}
	if fault, _ := apart.Revive(0); fault != policy.FaultNotLoaded || apart.NeedsInstance(0) {
		t.Errorf("closed: %v", fault)
	}
}
