package plugins_test

import (
	"testing"

	"idlehost/sdk/abi"
)

const kindStranger, kindOnce, kindBeat, kindBurst, kindPeople = quietOwn, quietOwn + 1, quietOwn + 2, quietOwn + 3, quietOwn + 4

func (g *guest) wantKind(t *testing.T, what string, kind uint16, ms uint32) {
	t.Helper()
	got := g.after(t, 100)
	if a := g.ask(t, abi.KindTimeout); got != ms || a.reason != kind {
		t.Errorf("%s: kind %d, closes at %d; want %d, %d", what, a.reason, got, kind, ms)
	}
}

func TestKindsTellsKinds(t *testing.T) {
	for _, c := range []struct {
		what     string
		returned []uint32
		lost     int
		kind     uint16
		ms       uint32 // for a worth of 64 s
	}{
		{"nothing known", nil, 0, kindStranger, 8_000},
		{"left once", nil, 1, kindOnce, 1_000},
		{"one return in four", []uint32{900}, 3, kindOnce, 1_000},
		{"two returns in five", []uint32{900, 30_000}, 3, kindPeople, 24_000},
		{"a few of its gaps", []uint32{900, 800}, 0, kindStranger, 8_000},
		{"a beat of 25 s", []uint32{25_000, 25_010, 24_990, 25_000}, 0, kindBeat, 25_010 + 2_501 + 1},
		{"a beat with bursts", []uint32{25_000, 20, 25_010, 30, 24_990, 40, 25_000, 50}, 0, kindBeat, 25_010 + 2_501 + 1},
		{"a beat with one pause missed", []uint32{25_000, 50_000, 25_010, 24_990}, 0, kindBeat, 25_010 + 2_501 + 1},
		{"a beat past the worth", []uint32{90_000, 90_000, 90_000, 90_000}, 0, kindBeat, 100},
		{"bursts", []uint32{10, 20, 10, 20, 10, 20, 30_000, 5, 1_900}, 0, kindBurst, 12_000},
		{"people", []uint32{100, 3_000, 40_000, 700, 9_000, 200}, 0, kindPeople, 24_000},
	} {
		g := started(t, "kinds")
		g.e.WorthMs = 64_000
		g.gaps(abi.GapKindReturned, c.returned...)
		for range c.lost {
			g.gaps(abi.GapKindCut, 5_000)
		}
		g.wantKind(t, c.what, c.kind, c.ms)
	}
}

func TestKindsTimes(t *testing.T) {
	g := started(t, "kinds", "stranger=7s", "once=250ms", "beat=20s", "burst=3s", "people=1m", "jitter=0", "within=10s")
	g.wantKind(t, "stranger", kindStranger, 7_000)
	g.gaps(abi.GapKindGone, 5_000)
	g.wantKind(t, "once", kindOnce, 250)
	g.gaps(abi.GapKindReturned, 5, 9_000, 9_999, 10_000)
	g.wantKind(t, "burst", kindBurst, 3_000)
	g.gaps(abi.GapKindReturned, 15_000, 15_000, 15_000, 15_000)
	g.wantKind(t, "beat", kindBeat, 15_001)
	g.gaps(abi.GapKindReturned, 15_002, 15_003, 15_004)
	g.wantKind(t, "people", kindPeople, 60_000)
	g.gaps(abi.GapKindReturned, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000,
		21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000, 21_000)
	g.wantKind(t, "a beat over its limit", kindBeat, 100)
}

func TestKindsOfStrangers(t *testing.T) {
	g := started(t, "kinds", "route2=once", "route31=burst", "route5=people", "route6=stranger")
	g.e.WorthMs = 64_000
	g.e.Protocol = uint8(abi.ProtocolHTTP2)
	for route, want := range map[uint16]struct {
		kind uint16
		ms   uint32
	}{0: {kindPeople, 24_000}, 2: {kindOnce, 1_000}, 31: {kindBurst, 12_000}, 6: {kindStranger, 8_000}, 32: {kindPeople, 24_000}, 65_535: {kindPeople, 24_000}} {
		g.e.Route = route
		g.wantKind(t, "a stranger over HTTP/2", want.kind, want.ms)
	}
	g.e.Protocol = uint8(abi.ProtocolHTTP1)
	g.e.Route = 5
	g.wantKind(t, "a stranger over HTTP/1", kindPeople, 24_000)
	g.gaps(abi.GapKindReturned, 25_000, 25_000, 25_000, 25_000)
	g.wantKind(t, "no stranger any more", kindBeat, 27_501)
}
