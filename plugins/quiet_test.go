package plugins_test

import (
	"testing"

	"idlehost/sdk/abi"
)

// The reasons that all policies built on sdk/c/quiet.h share; their own come after.
const (
	quietNotMine, quietUnused, quietNoData = 0, 2, 3
	quietCeiling, quietFloor, quietPressed = 4, 5, 6
	quietOwn                               = 7
)

// quiet are the policies built on sdk/c/quiet.h.
var quiet = []string{"histogram", "kinds", "quantile", "share", "skirental"}

func TestQuietPoliciesLeaveTheRestToTheHost(t *testing.T) {
	for _, name := range quiet {
		g := started(t, name)
		for _, phase := range []abi.Phase{abi.PhaseHandshake, abi.PhaseHeader, abi.PhaseBody, abi.PhaseUpstream, abi.PhaseWrite, abi.PhaseTunnel, abi.PhaseHalfClosed, abi.PhaseDraining, 99} {
			g.e.Phase = uint8(phase)
			if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault || a.reason != quietNotMine {
				t.Errorf("%s in %v: %+v", name, phase, a)
			}
		}
		g.e.Phase, g.e.Side = uint8(abi.PhaseIdle), uint8(abi.SideDialled)
		for _, kind := range []abi.Kind{abi.KindAccept, abi.KindTimeout} {
			if a := g.ask(t, kind); a.action != abi.ActionDefault || a.flags != 0 {
				t.Errorf("%s, dialled, %v: %+v", name, kind, a)
			}
		}
		g.e.Side, g.e.Requests = uint8(abi.SideAccepted), 0
		if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault || a.reason != quietUnused {
			t.Errorf("%s before the first request: %+v", name, a)
		}
	}
}

func TestQuietPoliciesAskEarlyInBothPhases(t *testing.T) {
	for _, name := range quiet {
		g := started(t, name)
		want := uint32(100)
		if name == "skirental" {
			want = 60_000 // nothing to look at: the worth
		}
		a := g.ask(t, abi.KindAccept)
		if a.action != abi.ActionDefault || a.flags != abi.FlagLeases || g.e.Leases[abi.PhaseIdle] != want || g.e.Leases[abi.PhaseStreamIdle] != want {
			t.Errorf("%s: %+v, leases %v, want %d", name, a, g.e.Leases, want)
		}
		if g.e.Leases[abi.PhaseTunnel] != 60_000 || g.e.Leases[abi.PhaseHeader] != 60_000 {
			t.Errorf("%s touched other leases: %v", name, g.e.Leases)
		}
		g.e.FloorMs = 90_000
		g.ask(t, abi.KindAccept)
		if g.e.Leases[abi.PhaseIdle] != 90_000 {
			t.Errorf("%s: first ask at %d, the floor is 90000", name, g.e.Leases[abi.PhaseIdle])
		}
	}
}

// steady makes the client and its tenant return after 20 s, always.
func steady(g *guest) {
	g.tenant(&g.g.Returned, 20_000, 1000)
	for range 32 {
		g.gaps(abi.GapKindReturned, 20_000)
	}
}

func TestQuietPoliciesHoldHTTP2AsHTTP1(t *testing.T) {
	for _, name := range quiet {
		g := started(t, name)
		steady(g)
		one := g.after(t, 100)
		if one < 20_000 || one > 60_000 {
			t.Errorf("%s closes at %d a client that returns after 20 s", name, one)
		}
		g.e.Phase = uint8(abi.PhaseStreamIdle)
		if two := g.after(t, 100); two != one {
			t.Errorf("%s: %d in idle, %d in stream_idle", name, one, two)
		}
	}
}

func TestQuietPoliciesObeyTheOperator(t *testing.T) {
	for _, name := range quiet {
		g := started(t, name)
		steady(g)
		g.e.IdleMs, g.e.CeilingMs = 100, 15_000
		if a := g.ask(t, abi.KindTimeout); a.ms != 14_900 || a.reason != quietCeiling {
			t.Errorf("%s under a ceiling: %+v", name, a)
		}
		g.e.CeilingMs, g.e.FloorMs = 0, 70_000
		if a := g.ask(t, abi.KindTimeout); a.ms != 69_900 || a.reason != quietFloor {
			t.Errorf("%s over a floor: %+v", name, a)
		}
	}
}

func TestQuietPoliciesUnderPressure(t *testing.T) {
	for _, name := range quiet {
		g := started(t, name)
		steady(g)
		calm := g.after(t, 100)
		for pressure, want := range map[uint16]uint32{800: calm, 875: calm / 2, 949: calm / 150, 950: 100, 1000: 100} {
			g.e.Pressure = pressure
			if got := g.after(t, 100); got != want {
				t.Errorf("%s, pressure %d: closes at %d, want %d", name, pressure, got, want)
			}
		}
		g.e.Pressure = 1000
		if a := g.ask(t, abi.KindTimeout); a.reason != quietPressed {
			t.Errorf("%s: reason %d", name, a.reason)
		}
	}
}

// What is asked again without anything new is answered alike, to the deadline
// and at it.
func TestQuietPoliciesStandByTheirAnswer(t *testing.T) {
	for _, name := range quiet {
		g := started(t, name)
		steady(g)
		want := g.after(t, 100)
		for ms := uint32(200); ms < want; ms += ms / 2 {
			if got := g.after(t, ms); got != want {
				t.Errorf("%s, asked at %d: closes at %d, at first it was %d", name, ms, got, want)
			}
		}
		if got := g.after(t, want); got != want {
			t.Errorf("%s extends at its own deadline, to %d", name, got)
		}
	}
}

func BenchmarkQuiet(b *testing.B) {
	for _, name := range quiet {
		g := started(b, name)
		for i := range uint32(abi.Bins) {
			g.tenant(&g.g.Returned, abi.BinLow(int(i)), 20)
			g.tenant(&g.g.Gone, abi.BinLow(int(i)), 3)
			g.tenant(&g.g.Cut, abi.BinLow(int(i)), 5)
		}
		for i := range uint32(abi.ClientGaps) {
			g.gaps(abi.GapKindReturned, 200+i*900)
		}
		g.e.IdleMs = 100
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				g.g.Generation++
				g.ask(b, abi.KindTimeout)
			}
		})
	}
}
