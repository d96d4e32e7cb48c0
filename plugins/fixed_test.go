package plugins_test

import (
	"testing"

	"idlehost/sdk/abi"
)

func TestFixedLeases(t *testing.T) {
	g := started(t, "fixed", "stream_idle=2m", "tunnel=1h", "header=500ms", "idle=0")
	a := g.ask(t, abi.KindAccept)
	if a.action != abi.ActionDefault || a.flags != abi.FlagLeases {
		t.Fatalf("accept: %+v", a)
	}
	want := map[abi.Phase]uint32{
		abi.PhaseIdle: 0, abi.PhaseStreamIdle: 120_000, abi.PhaseTunnel: 3_600_000,
		abi.PhaseHeader: 500, abi.PhaseBody: 60_000, abi.PhaseHalfClosed: 60_000,
	}
	for phase, ms := range want {
		if got := g.e.Leases[phase]; got != ms {
			t.Errorf("%v: lease %d, want %d", phase, got, ms)
		}
	}
}

func TestFixedTimeoutSpeaksForIdlePhasesNotNamed(t *testing.T) {
	g := started(t, "fixed", "timeout=9s", "idle=4s")
	g.ask(t, abi.KindAccept)
	if g.e.Leases[abi.PhaseIdle] != 4_000 || g.e.Leases[abi.PhaseStreamIdle] != 9_000 || g.e.Leases[abi.PhaseTunnel] != 60_000 {
		t.Errorf("leases %v", g.e.Leases)
	}
}

func TestFixedEndsQuietPhasesAndLeavesTheOthersToTheHost(t *testing.T) {
	g := started(t, "fixed", "idle=4s", "tunnel=5s", "header=6s")
	for phase, want := range map[abi.Phase]abi.Action{
		abi.PhaseIdle: abi.ActionClose, abi.PhaseTunnel: abi.ActionClose, abi.PhaseHeader: abi.ActionDefault,
		abi.PhaseHalfClosed: abi.ActionDefault, abi.PhaseDraining: abi.ActionDefault, 12: abi.ActionDefault, 255: abi.ActionDefault,
	} {
		g.e.Phase, g.e.IdleMs = uint8(phase), 6_000
		if a := g.ask(t, abi.KindTimeout); a.action != want {
			t.Errorf("%v: %v, want %v", phase, a.action, want)
		}
	}
}

func TestFixedTimesByRequest(t *testing.T) {
	g := started(t, "fixed", "idle=30s,5s,2m")
	g.ask(t, abi.KindAccept)
	if got := g.e.Leases[abi.PhaseIdle]; got != 5_000 {
		t.Fatalf("lease %d, want the shortest", got)
	}
	for requests, want := range []uint32{30_000, 30_000, 5_000, 120_000, 120_000, 120_000} {
		g.e.Requests = uint32(requests)
		if got := g.after(t, 5_000); got != want {
			t.Errorf("after %d requests: closes at %d, want %d", requests, got, want)
		}
	}
	g.e.Requests = 9
	if got := g.after(t, 120_000); got != 120_000 {
		t.Errorf("kept until %d", got)
	}
}

func TestFixedDialled(t *testing.T) {
	g := started(t, "fixed", "dialled=3s", "idle=7s", "tunnel=8s")
	g.e.Side = uint8(abi.SideDialled)
	g.ask(t, abi.KindAccept)
	if g.e.Leases[abi.PhaseIdle] != 3_000 || g.e.Leases[abi.PhaseTunnel] != 60_000 {
		t.Errorf("leases %v", g.e.Leases)
	}
	g = started(t, "fixed", "idle=7s")
	g.e.Side = uint8(abi.SideDialled)
	g.ask(t, abi.KindAccept)
	if g.e.Leases[abi.PhaseIdle] != 60_000 {
		t.Error("a client's time was applied to an upstream")
	}
}
