package plugins_test

import (
	"testing"

	"idlehost/sdk/abi"
)

func TestPressureScalesInAStraightLine(t *testing.T) {
	g := started(t, "pressure", "idle=65s", "min=5s", "scaling=0.5", "saturation=0.9")
	for pressure, want := range map[uint16]uint32{
		0: 65_000, 500: 65_000, 600: 50_000, 700: 35_000, 899: 5_150, 900: 5_000, 1000: 5_000,
	} {
		g.e.Pressure = pressure
		if got := g.after(t, want-1); got != want {
			t.Errorf("pressure %d: closes at %d, want %d", pressure, got, want)
		}
		g.e.IdleMs = want
		if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionClose {
			t.Errorf("pressure %d: %v at %d", pressure, a.action, want)
		}
	}
}

func TestPressureLooksAgainBeforeTheTimeIsUp(t *testing.T) {
	g := started(t, "pressure")
	g.ask(t, abi.KindAccept)
	if g.e.Leases[abi.PhaseIdle] != 5_000 || g.e.Leases[abi.PhaseStreamIdle] != 5_000 || g.e.Leases[abi.PhaseTunnel] != 60_000 {
		t.Fatalf("leases %v", g.e.Leases)
	}
	if got := g.after(t, 5_000); got != 10_000 {
		t.Errorf("looks again at %d, want 10000", got)
	}
	g.e.Pressure = 1000
	if got := g.after(t, 10_000); got != 10_000 {
		t.Errorf("a full host keeps it until %d", got)
	}
}

func TestPressureLeavesTheRestToTheHost(t *testing.T) {
	g := started(t, "pressure")
	g.e.Phase = uint8(abi.PhaseTunnel)
	if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault {
		t.Errorf("tunnel: %+v", a)
	}
	g.e.Phase, g.e.Side = uint8(abi.PhaseIdle), uint8(abi.SideDialled)
	for _, kind := range []abi.Kind{abi.KindAccept, abi.KindTimeout} {
		if a := g.ask(t, kind); a.action != abi.ActionDefault || a.flags != 0 {
			t.Errorf("dialled, %v: %+v", kind, a)
		}
	}
}

func TestPressureWithCrossedSettings(t *testing.T) {
	g := started(t, "pressure", "idle=3s", "min=9s", "scaling=0.9", "saturation=0.2")
	for pressure := range uint16(1001) {
		g.e.Pressure = pressure
		if got := g.after(t, 2_999); got != 3_000 {
			t.Fatalf("pressure %d: closes at %d", pressure, got)
		}
	}
}
