package bounds

import (
	"math/rand/v2"
	"slices"
	"testing"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// many adds the requests of a lane, at gaps of so many milliseconds.
func (r *recording) many(lane uint64, gaps ...int64) {
	at := int64(0)
	r.open(at, lane)
	r.request(at, at, lane)
	for _, ms := range gaps {
		at += ms * 1e6
		r.request(at, at, lane)
	}
}

func TestKinds(t *testing.T) {
	var r recording
	r.many(1)
	r.many(2, 30_000, 30_010, 30_000, 29_990, 30_000, 30_020, 30_000, 30_000, 5000)
	r.many(3, 10, 20, 10, 4000, 10)
	r.many(4, 1000, 20_000, 300_000, 4000)
	r = append(r,
		trace.Record{Kind: trace.KindTenant, Name: "a"}, trace.Record{Kind: trace.KindTenant, Name: "a"},
		trace.Record{Kind: trace.KindLost, Count: 7},
		trace.Record{Kind: trace.KindOpen, Conn: 5, Client: 5, Protocol: abi.ProtocolHTTP1, Phase: abi.PhaseIdle},
		trace.Record{Kind: trace.KindBegin, Conn: 5},
		trace.Record{Kind: trace.KindPhase, Conn: 5, Phase: abi.PhaseTunnel, Protocol: abi.ProtocolWebSocket},
		trace.Record{Kind: trace.KindBurst, Conn: 5, Time: 40e9, Since: 15e9},
		trace.Record{Kind: trace.KindBurst, Conn: 5, Time: 40.2e9, Since: 0.1e9},
		trace.Record{Kind: trace.KindOpen, Conn: 6, Client: 1, Side: abi.SideDialled, Phase: abi.PhaseIdle},
		trace.Record{Kind: trace.KindOpen, Conn: 7, Phase: abi.PhaseIdle},
	)
	c := r.census()
	for client, want := range []string{KindOther, KindOnce, KindBeat, KindBurst, KindPeople, KindTunnel, KindOther} {
		if got := c.Kind(uint64(client), abi.SideAccepted, abi.ProtocolHTTP1); got != want {
			t.Errorf("client %d: %s, want %s", client, got, want)
		}
	}
	if got := c.Kind(1, abi.SideDialled, abi.ProtocolHTTP1); got != KindDialled {
		t.Errorf("an upstream: %s", got)
	}
	if got := c.Kind(1, abi.SideAccepted, abi.ProtocolTCP); got != KindTunnel {
		t.Errorf("TCP: %s", got)
	}
	if beat, none := c.Period(2), c.Period(4); beat < 29_900e6 || beat > 30_100e6 || none != 0 {
		t.Errorf("periods %d and %d", beat, none)
	}
	if got := c.Beats(); len(got) != 1 || got[0].Clients != 1 || got[0].Gaps != 9 {
		t.Errorf("beats %+v", got)
	}
	told := c.Trace()
	kinds := told.Kinds
	told.Kinds = nil
	want := study.Trace{
		SpanMs: 325_000, Records: int64(len(r)), Connections: 7, Clients: 6, Requests: 22 + 1, Gaps: 9 + 5 + 4 + 1, Lost: 7, Tenants: []string{"a"},
	}
	if told.Tenants[0] != "a" || len(told.Tenants) != 1 {
		t.Errorf("tenants %v", told.Tenants)
	}
	told.Tenants, want.Tenants = nil, nil
	if !slices.Equal([]int64{told.SpanMs, told.Records, told.Connections, told.Clients, told.Requests, told.Gaps, told.Lost},
		[]int64{want.SpanMs, want.Records, want.Connections, want.Clients, want.Requests, want.Gaps, want.Lost}) {
		t.Errorf("told %+v, want %+v", told, want)
	}
	names := []string{}
	for _, k := range kinds {
		names = append(names, k.Name)
		if k.Clients != 1 {
			t.Errorf("kind %+v, want one client", k)
		}
	}
	if !slices.Equal(names, []string{KindOnce, KindBeat, KindBurst, KindPeople, KindTunnel, KindDialled, KindOther}) {
		t.Errorf("kinds %v", names)
	}
	if bins := c.Gaps(); bins[len(bins)-1].LowMs > 300_000 || bins[len(bins)-1].LowMs < 200_000 {
		t.Errorf("the longest gap is of bin %+v", bins[len(bins)-1])
	}
}

func TestBeatsThatAreOne(t *testing.T) {
	var r recording
	for lane := range uint64(30) {
		period := 30_000 + int64(lane%3)*100
		if lane >= 20 {
			period = 45_000
		}
		r.many(lane+1, period, period, period, period, period, period, period, period)
	}
	want := []Beat{{30_095, 20, 160}, {45_000, 10, 80}}
	if got := r.census().Beats(); len(got) != 2 || got[0].Clients != 20 || got[1].Clients != 10 || got[0].Gaps != 160 ||
		max(got[0].PeriodMs-want[0].PeriodMs, want[0].PeriodMs-got[0].PeriodMs) > 30 || got[1].PeriodMs < 44_950 || got[1].PeriodMs > 45_050 {
		t.Errorf("%+v, want about %+v", got, want)
	}
}

func TestACrowdIsOfOneKind(t *testing.T) {
	c := NewCensus()
	for n := range uint64(crowd + 100) {
		c.Add(&trace.Record{Kind: trace.KindOpen, Conn: n + 1, Client: n + 1})
		c.Add(&trace.Record{Kind: trace.KindClose, Conn: n + 1, Reason: policy.ReasonPeer})
	}
	c.Finish()
	if n := len(c.clients); n != crowd {
		t.Errorf("%d clients are kept", n)
	}
	if len(c.walk.lanes) != 0 {
		t.Errorf("%d lanes are open", len(c.walk.lanes))
	}
	kinds := c.Trace().Kinds
	if last := kinds[len(kinds)-1]; last.Name != KindOther || last.Clients != 100 {
		t.Errorf("kinds %+v, want 100 clients in the last, %q", kinds, KindOther)
	}
	if got := c.Kind(crowd+7, abi.SideAccepted, abi.ProtocolHTTP1); got != KindOther {
		t.Errorf("one too many is %s", got)
	}
}

// TestAnythingGoes: records that no host would write do no harm.
func TestAnythingGoes(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for range 60 {
		var rec recording
		for range 300 {
			rec = append(rec, trace.Record{
				Kind: trace.Kind(r.IntN(16)), Time: wild(r), Since: wild(r), Conn: r.Uint64N(8), Client: r.Uint64N(4),
				Side: policy.Side(r.IntN(3)), Protocol: policy.Protocol(r.IntN(6)), Phase: policy.Phase(r.IntN(12)),
				Reason: policy.Reason(r.IntN(10)), Count: r.Uint64(), Name: "x",
			})
		}
		c := rec.census()
		c.Beats()
		rec.survey(Config{WorthMs: wild(r), From: wild(r), To: wild(r)}).Bounds(wild(r))
	}
}

func wild(r *rand.Rand) int64 {
	if r.IntN(2) == 0 {
		return r.Int64N(1e12)
	}
	return int64(r.Uint64())
}
