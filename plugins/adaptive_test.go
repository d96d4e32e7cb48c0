package plugins_test

import (
	"slices"
	"testing"

	"idlehost/sdk/abi"
)

// The reasons that README documents.
const (
	notMine, learnt, noData, unused, beat, atCeiling, atFloor = 0, 1, 2, 3, 4, 5, 6
)

func TestAdaptiveLooksSoonAndDecidesThen(t *testing.T) {
	g := started(t, "adaptive")
	g.e.FloorMs = 700
	g.ask(t, abi.KindAccept)
	if g.e.Leases[abi.PhaseIdle] != 700 || g.e.Leases[abi.PhaseTunnel] != 60_000 {
		t.Errorf("leases %v: want the floor for idle, the host's for a tunnel", g.e.Leases)
	}
	g.e.FloorMs = 0
	g.ask(t, abi.KindAccept)
	if g.e.Leases[abi.PhaseIdle] != 100 || g.e.Leases[abi.PhaseStreamIdle] != 100 {
		t.Errorf("leases %v: want 100 ms", g.e.Leases)
	}
}

func TestAdaptiveKnowingNothing(t *testing.T) {
	g := started(t, "adaptive")
	g.ask(t, abi.KindAccept)
	got := g.after(t, 100)
	if got < 60_000/8 || got > 60_000/2 {
		t.Errorf("holds %d ms for a worth of 60 s", got)
	}
	g.e.Leases = [abi.Phases]uint32{abi.PhaseIdle: 2_000}
	g.ask(t, abi.KindAccept)
	if got := g.after(t, 100); got != 2_000 {
		t.Errorf("holds %d ms, but the host's own timeout is 2000", got)
	}
	if a := g.ask(t, abi.KindTimeout); a.reason != noData {
		t.Errorf("reason %d", a.reason)
	}
}

func TestAdaptiveHoldsPastAHeartbeat(t *testing.T) {
	g := started(t, "adaptive")
	for range 12 {
		g.gaps(abi.GapKindReturned, 25_000)
	}
	got := g.after(t, 100)
	if got <= 25_000 || got > 33_000 {
		t.Errorf("closes at %d, want just past 25000", got)
	}
	g.e.WorthMs = 10_000 // a heartbeat that costs more to wait for than to lose
	if got := g.after(t, 100); got > 5_000 {
		t.Errorf("holds %d ms for a reconnect worth 10 s", got)
	}
}

func TestAdaptiveClosesAtOnceWhereNobodyReturns(t *testing.T) {
	g := started(t, "adaptive")
	g.tenant(&g.g.Cut, 1_000, 900)
	g.tenant(&g.g.Returned, 50, 100)
	if got := g.after(t, 100); got > 500 {
		t.Errorf("holds %d ms for clients of whom one in ten returns, and that within 50 ms", got)
	}
}

// Learning from ended gaps only would hold for ever.
func TestAdaptiveCountsCensoredGaps(t *testing.T) {
	g := started(t, "adaptive")
	g.tenant(&g.g.Returned, 20_000, 100)
	with := g.after(t, 100)
	if with < 20_000 {
		t.Fatalf("closes at %d although every gap ends after 20 s", with)
	}
	g.tenant(&g.g.Cut, 20_000, 900)
	if got := g.after(t, 100); got > 2_000 {
		t.Errorf("closes at %d although nine in ten never return", got)
	}
}

func TestAdaptiveTrustsTheClientOverItsTenant(t *testing.T) {
	g := started(t, "adaptive")
	g.tenant(&g.g.Cut, 1_000, 4_000)
	stranger := g.after(t, 100)
	for range 30 {
		g.gaps(abi.GapKindReturned, 9_000)
	}
	if got := g.after(t, 100); got <= 9_000 || stranger > 1_000 {
		t.Errorf("closes a stranger at %d, a faithful client at %d", stranger, got)
	}
	g.e.ClientGaps, g.e.ClientGapCount = [abi.ClientGaps]uint32{}, 0
	for range 30 {
		g.gaps(abi.GapKindGone, 9_000)
	}
	if got := g.after(t, 100); got > 1_000 {
		t.Errorf("holds a client that always leaves until %d", got)
	}
}

// Asking again must not by itself move the answer: what is over is over.
func TestAdaptiveIsConsistentOverTime(t *testing.T) {
	g := started(t, "adaptive")
	for i, ms := range []uint32{20, 300, 2_000, 14_000, 50_000} {
		g.tenant(&g.g.Returned, ms, 400-70*i)
		g.tenant(&g.g.Gone, ms*2, 20)
		g.gaps(abi.GapKindReturned, ms+5)
	}
	g.tenant(&g.g.Cut, 1_000, 60)
	first := g.after(t, 100)
	if first < 1_000 {
		t.Fatalf("closes at %d: nothing to test", first)
	}
	for ms := uint32(100); ms < first; ms += ms / 3 {
		if got := g.after(t, ms); got != first {
			t.Errorf("asked at %d: closes at %d, at first it was %d", ms, got, first)
		}
	}
	if got := g.after(t, first); got != first {
		t.Errorf("at its own deadline it extends to %d", got)
	}
}

func TestAdaptiveNeverHoldsMuchLongerThanWorth(t *testing.T) {
	g := started(t, "adaptive", "worth=10s")
	g.tenant(&g.g.Returned, 9_900, 1000)
	if got := g.after(t, 100); got < 9_900 || got > 12_500 {
		t.Errorf("closes at %d, want about 10 s", got)
	}
	if got := g.after(t, 13_000); got != 13_000 {
		t.Errorf("still holds to %d", got)
	}
}

// Past the worth it holds on for those who are nearly back, up to a limit.
func TestAdaptiveHoldsPastTheWorthForWhatIsNear(t *testing.T) {
	g := started(t, "adaptive", "worth=10s")
	g.tenant(&g.g.Returned, 12_000, 1000)
	if got := g.after(t, 9_000); got <= 12_000 || got > 20_000 {
		t.Errorf("after 9 s it closes at %d, want past 12000", got)
	}
	g.tenant(&g.g.Returned, 34_000, 5000)
	if got := g.after(t, 33_000); got != 33_000 {
		t.Errorf("holds to %d, three times the worth", got)
	}
}

// A client whose gaps scatter as its tenant's do is treated as a stranger, one
// whose gaps do not by its own.
func TestAdaptiveTellsHabitFromChance(t *testing.T) {
	lengths := []uint32{1_000, 2_000, 4_000, 9_000, 16_000, 32_000, 60_000}
	answer := func(client []uint32, params ...string) uint32 {
		g := started(t, "adaptive", params...)
		for _, ms := range lengths {
			g.tenant(&g.g.Returned, ms, 100)
		}
		g.tenant(&g.g.Cut, 1_000, 200)
		g.gaps(abi.GapKindReturned, client...)
		return g.after(t, 100)
	}
	stranger, regular := answer(nil), slices.Repeat([]uint32{55_000}, 7)
	if got := answer(lengths); got != stranger {
		t.Errorf("closes a client like the others at %d, a stranger at %d", got, stranger)
	}
	if got := answer(regular); got <= 55_000 || stranger > 55_000 {
		t.Errorf("closes a client with a beat of 55 s at %d, a stranger at %d", got, stranger)
	}
	if got := answer(regular, "habits=0"); got != stranger {
		t.Errorf("told that nobody has habits, it closes the client at %d, a stranger at %d", got, stranger)
	}
}

func TestAdaptiveClamp(t *testing.T) {
	g := started(t, "adaptive", "lambda=0.25", "worth=40s")
	g.tenant(&g.g.Cut, 1_000, 1000)
	if got := g.after(t, 100); got != 10_000 {
		t.Errorf("closes at %d, want lambda x worth = 10000", got)
	}
}

func TestAdaptiveUnderPressure(t *testing.T) {
	g := started(t, "adaptive")
	g.tenant(&g.g.Returned, 20_000, 1000)
	last := uint32(1 << 31)
	for _, pressure := range []uint16{0, 800, 875, 925, 950, 1000} {
		g.e.Pressure = pressure
		got := g.after(t, 100)
		if got > last {
			t.Errorf("pressure %d: holds %d, longer than under less", pressure, got)
		}
		last = got
	}
	if last != 100 {
		t.Errorf("a full host still holds until %d", last)
	}
}

func TestAdaptiveObeysTheOperator(t *testing.T) {
	g := started(t, "adaptive")
	g.tenant(&g.g.Returned, 20_000, 1000)
	g.e.CeilingMs, g.e.IdleMs = 5_000, 100
	if a := g.ask(t, abi.KindTimeout); a.ms != 4_900 || a.reason != atCeiling {
		t.Errorf("ceiling: %+v", a)
	}
	g.e.CeilingMs, g.e.FloorMs = 0, 40_000
	if a := g.ask(t, abi.KindTimeout); a.ms != 39_900 || a.reason != atFloor {
		t.Errorf("floor: %+v", a)
	}
}

func TestAdaptiveBeforeTheFirstRequest(t *testing.T) {
	g := started(t, "adaptive")
	g.ask(t, abi.KindAccept)
	g.e.Requests = 0
	g.tenant(&g.g.Cut, 1_000, 1000)
	if got := g.after(t, 100); got != 60_000 {
		t.Errorf("closes an unused connection at %d, the host's timeout is 60000", got)
	}
}

func TestAdaptiveTunnel(t *testing.T) {
	g := started(t, "adaptive")
	g.e.Phase, g.e.IdleMs = uint8(abi.PhaseTunnel), 60_000
	if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault || a.reason != notMine {
		t.Errorf("without data: %+v", a)
	}
	g.e.GapCount, g.e.GapMaxMs = 3, 56_000
	if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionExtend || a.ms != 10_000 || a.reason != beat {
		t.Errorf("paused for 56 s before: %+v", a)
	}
	g.e.IdleMs = 70_000
	if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault {
		t.Errorf("past its longest pause: %+v", a)
	}
}

func TestAdaptiveLeavesTheRestToTheHost(t *testing.T) {
	g := started(t, "adaptive")
	for _, phase := range []abi.Phase{abi.PhaseHandshake, abi.PhaseHeader, abi.PhaseBody, abi.PhaseUpstream, abi.PhaseWrite, abi.PhaseHalfClosed, abi.PhaseDraining, 99} {
		g.e.Phase = uint8(phase)
		if a := g.ask(t, abi.KindTimeout); a.action != abi.ActionDefault {
			t.Errorf("%v: %+v", phase, a)
		}
	}
	g.e.Phase, g.e.Side = uint8(abi.PhaseIdle), uint8(abi.SideDialled)
	for _, kind := range []abi.Kind{abi.KindAccept, abi.KindTimeout} {
		if a := g.ask(t, kind); a.action != abi.ActionDefault || a.flags != 0 {
			t.Errorf("dialled, %v: %+v", kind, a)
		}
	}
}

func BenchmarkAdaptiveTimeout(b *testing.B) {
	g := started(b, "adaptive")
	for i := range uint32(abi.Bins) {
		g.tenant(&g.g.Returned, abi.BinLow(int(i)), 20)
		g.tenant(&g.g.Gone, abi.BinLow(int(i)), 3)
		g.tenant(&g.g.Cut, abi.BinLow(int(i)), 5)
	}
	for i := range uint32(abi.ClientGaps) {
		g.gaps(abi.GapKindReturned, 200+i*900)
	}
	g.e.IdleMs = 100
	b.Run("ask", func(b *testing.B) {
		for b.Loop() {
			g.ask(b, abi.KindTimeout)
		}
	})
	b.Run("call", func(b *testing.B) { // the guest alone
		for b.Loop() {
			g.timeout.CallWithStack(b.Context(), g.stack)
		}
	})
}

// A promise to clients is kept even where it does not pay, and not made again
// when it is.
func TestAdaptiveKeepsItsPromise(t *testing.T) {
	asks := func(params ...string) (*guest, uint32) {
		g := started(t, "adaptive", params...)
		g.e.WorthMs = 60_000
		g.tenant(&g.g.Returned, 1_000, 600)
		g.tenant(&g.g.Returned, 40_000, 400)
		g.tenant(&g.g.Cut, 1_000, 9000)
		g.ask(t, abi.KindAccept)
		return g, g.after(t, 100)
	}
	if _, got := asks(); got > 2_000 {
		t.Fatalf("without a promise it holds %d ms, though nine in ten never return", got)
	}
	if _, got := asks("quantile=0.5"); got > 2_000 || got < 1_000 {
		t.Errorf("holds %d ms for the sooner half", got)
	}
	g, got := asks("quantile=0.9")
	if got < 40_000 || got > 60_000 {
		t.Fatalf("holds %d ms for nine in ten", got)
	}
	if again := g.after(t, got); again > got {
		t.Errorf("at the end of %d ms it holds to %d", got, again)
	}
}
