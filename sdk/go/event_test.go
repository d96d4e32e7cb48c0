package policy

import (
	"testing"
	"time"

	"idlehost/sdk/abi"
)

func TestEventLeases(t *testing.T) {
	var e Event
	e.SetLease(PhaseTunnel, time.Minute)
	if e.Lease(PhaseTunnel) != time.Minute || !e.Leased() {
		t.Errorf("lease %v, leased %v", e.Lease(PhaseTunnel), e.Leased())
	}
	e.Size = abi.EventUsed
	e.Begin()
	if e.Leased() {
		t.Error("a new question counts the last one's leases")
	}
	e.SetLease(abi.Phases, time.Minute)
	if e.Leased() || e.Lease(200) != 0 {
		t.Error("a phase past the last has a lease")
	}
}

func TestEventGap(t *testing.T) {
	var e Event
	e.ClientGaps[0] = 1500 | uint32(GapCut)<<30
	if d, kind, ok := e.Gap(0); d != 1500*time.Millisecond || kind != GapCut || !ok {
		t.Errorf("got %v %v %v", d, kind, ok)
	}
	for _, i := range []int{-1, 1, 31, 32} {
		if _, _, ok := e.Gap(i); ok {
			t.Errorf("gap %d is remembered", i)
		}
	}
}

func TestEventReads(t *testing.T) {
	var e Event
	e.Phase = uint8(PhaseTunnel)
	if !e.In(PhaseTunnel) || e.In(PhaseIdle) {
		t.Error("not in its own phase, or in another")
	}
	e.NowMs, e.IdleMs, e.WorthMs = 1000, 2000, 3000
	if e.Now() != time.Unix(1, 0) || e.Idle() != 2*time.Second || e.Worth() != 3*time.Second {
		t.Errorf("now %v, idle %v, worth %v", e.Now(), e.Idle(), e.Worth())
	}
}
