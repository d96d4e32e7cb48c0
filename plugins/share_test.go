package plugins_test

import (
	"bytes"
	"slices"
	"testing"

	"idlehost/sdk/abi"
)

// learn adds n gaps, a few at a time, with an ask after each few.
func (g *guest) learn(t testing.TB, cells *[abi.Bins]uint32, ms uint32, n int) uint32 {
	t.Helper()
	var tau uint32
	for ; n > 0; n -= 20 {
		g.tenant(cells, ms, 20)
		g.g.Generation += 3 * 20 // as the host does
		tau = g.after(t, 10)
	}
	return tau
}

func learned(t testing.TB, g *guest) []byte {
	t.Helper()
	region := g.call(t, "state_region")
	state, ok := g.mod.Memory().Read(uint32(region), uint32(region>>32))
	if !ok || len(state) > 64<<10 || uint32(region)%8 != 0 {
		t.Fatalf("learned state %x", region)
	}
	return state
}

func TestShareKnowingNothing(t *testing.T) {
	g := started(t, "share")
	if got := g.after(t, 10); got < 60_000/16 || got > 60_000/4 {
		t.Errorf("closes at %d for a worth of 60 s", got)
	}
}

func TestShareFindsTheBestOfItsPanel(t *testing.T) {
	g := started(t, "share")
	end := abi.BinLow(abi.Bin(20_000) + 1)
	if got := g.learn(t, &g.g.Returned, 20_000, 2000); got < end || got > 60_000 {
		t.Errorf("all return after 20 s: closes at %d, want at least %d", got, end)
	}
	// Now they never return. Memory fades by the share, so the panel turns.
	if got := g.learn(t, &g.g.Cut, 20_000, 4000); got > 2_000 {
		t.Errorf("nobody returns any more, but it closes at %d", got)
	}
	if got := g.learn(t, &g.g.Returned, 20_000, 8000); got < end || got > 60_000 {
		t.Errorf("all return again: closes at %d", got)
	}
	g.g = abi.Gaps{Generation: 1, Unit: 1 << 17}
	if got := g.learn(t, &g.g.Cut, 500, 4000); got > 2_000 {
		t.Errorf("with new books, nobody returns: closes at %d", got)
	}
}

func TestShareCountsAGapOnce(t *testing.T) {
	g := started(t, "share")
	want := g.learn(t, &g.g.Returned, 20_000, 60)
	for range 1000 {
		if got := g.after(t, 10); got != want {
			t.Fatalf("asked again, nothing new: closes at %d, was %d", got, want)
		}
	}
	before := slices.Clone(learned(t, g))
	for i := range uint32(10) { // fewer than a batch
		g.tenant(&g.g.Returned, 1_000+i, 1)
		g.after(t, 10)
	}
	if !bytes.Equal(before, learned(t, g)) {
		t.Error("learned from less than a batch")
	}
}

// A gap that was cut and then ended in a return must weigh as if it had never
// been cut, and a histogram that halves its weights brings nothing new.
func TestSharePutsRight(t *testing.T) {
	straight, detour := started(t, "share", "share=0"), started(t, "share", "share=0")
	straight.learn(t, &straight.g.Returned, 40_000, 100)
	detour.learn(t, &detour.g.Cut, 4_000, 100)
	if a, b := straight.after(t, 10), detour.after(t, 10); b >= a {
		t.Fatalf("nobody returned, but it closes at %d; where all did, at %d", b, a)
	}
	from, to := abi.Bin(4_000), abi.Bin(40_000)
	detour.g.Returned[to], detour.g.Cut[from] = detour.g.Cut[from], 0
	detour.g.Generation += 100
	straight.g.Generation += 100
	if a, b := straight.after(t, 10), detour.after(t, 10); a-b+1 > 2 {
		t.Errorf("closes at %d, after a detour at %d", a, b)
	}
	want := straight.after(t, 10)
	straight.g.Returned[to] /= 2
	straight.g.Unit /= 2
	straight.g.Generation += 1000
	if got := straight.after(t, 10); got-want+1 > 2 {
		t.Errorf("halving moved the answer from %d to %d", want, got)
	}
}

func TestShareCarriesOver(t *testing.T) {
	old := started(t, "share")
	want := old.learn(t, &old.g.Returned, 20_000, 1000)
	next := started(t, "share", "eta=1")
	copy(learned(t, next), learned(t, old))
	next.g = old.g
	if got := next.after(t, 10); got != want {
		t.Errorf("the next version closes at %d, the last one did at %d", got, want)
	}
	next.e.WorthMs = 30_000 // losses at another price teach nothing here
	blank := started(t, "share", "eta=1")
	blank.e.WorthMs, blank.g = 30_000, next.g
	if got, fresh := next.after(t, 10), blank.after(t, 10); got != fresh {
		t.Errorf("at another price it closes at %d, a new one at %d", got, fresh)
	}
	if v := old.call(t, "state_format"); v != 1 {
		t.Errorf("format %d", v)
	}
}

func TestShareKeepsHistogramsApart(t *testing.T) {
	g := started(t, "share")
	g.learn(t, &g.g.Returned, 20_000, 1000)
	long := g.g
	want := g.after(t, 10)
	for _, other := range []abi.Gaps{{Route: 3}, {Part: 3}, {Route: 1, Part: 2}} {
		g.g = abi.Gaps{Generation: 1, Unit: 1 << 17, Route: other.Route, Part: other.Part}
		if got := g.learn(t, &g.g.Cut, 1_000, 1000); got > 2_000 {
			t.Errorf("route %d, part %d closes at %d", other.Route, other.Part, got)
		}
	}
	for _, past := range []abi.Gaps{{Route: 4}, {Part: 4}, {Route: 1 << 31, Part: 1 << 31}} {
		g.g = long // those past the last panel use that of the plain routes, and teach it nothing
		g.g.Route, g.g.Part = past.Route, past.Part
		if got := g.learn(t, &g.g.Cut, 1_000, 1000); got != want {
			t.Errorf("route %d, part %d closes at %d, want %d", past.Route, past.Part, got, want)
		}
	}
	g.g = long
	if got := g.after(t, 10); got < 20_000 || got != want {
		t.Errorf("route 0 closes at %d, before the others it was %d", got, want)
	}
}
