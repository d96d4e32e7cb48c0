package lab

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"testing"
	"time"

	"idlehost/host/internal/lab/report"
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/trace"
	"idlehost/plugins"
)

// hostileTape makes records, any that a trace.Reader could yield, of bytes.
func hostileTape(data []byte) *tape {
	tp := &tape{header: trace.Header{Granularity: 10e6, Origin: live}}
	next := func() uint64 {
		var b [2]byte
		n := copy(b[:], data)
		data = data[n:]
		return uint64(binary.LittleEndian.Uint16(b[:]))
	}
	at := int64(0)
	for len(data) > 0 && len(tp.all) < 400 {
		what := next()
		at += int64(next()) * int64(next()%64) * 1e5
		r := trace.Record{
			Kind: trace.Kind(1 + what%13), Time: at - int64(what>>8)*1e5, Conn: what >> 4 % 8, Client: next() % 5,
			Tenant: uint32(next() % 3), Side: policy.Side(what >> 3 % 2), Protocol: policy.Protocol(what >> 5 % 5),
			Phase: policy.Phase(next() % 10), Reason: policy.Reason(next() % 9), Role: policy.Role(next() % 3),
			Handshake: uint16(next() % 4), Route: uint16(next()), Body: what&1 == 0, Cut: what&2 == 0,
			Age: int64(next()) * 1e8, Since: int64(next())*1e7 - 1e8, BytesIn: next() << 40, BytesOut: next(), Count: next(), Name: "x",
		}
		if r.Kind == trace.KindAsk {
			r.Ask = &policy.Event{Kind: uint8(next() % 4), Phase: uint8(next() % 10), RttUs: uint32(next()) << 16}
		}
		if r.Kind == trace.KindAnswer {
			r.Answer = &trace.Answer{Dropped: what&8 == 0, Verdict: policy.Verdict{
				Action: policy.Action(next() % 3), Deadline: time.Duration(next()) * time.Duration(next()) * time.Millisecond,
				Role: r.Role, Fault: policy.Fault(next() % 13), Leases: what&4 == 0,
			}}
		}
		if r.Kind == trace.KindRules {
			r.Rules = &trace.Rules{}
			for i := range r.Rules.Timeouts {
				r.Rules.Timeouts[i].Idle = time.Duration(next()) * time.Millisecond
			}
			r.Rules.Limits.Ceiling = time.Duration(next()) * time.Millisecond
			r.Rules.Limits.Floor = time.Duration(next()) * time.Millisecond
		}
		tp.all = append(tp.all, r)
	}
	return tp
}

// FuzzExperiment runs whole experiments on recordings that make no sense: they
// end, and what they count is consistent.
func FuzzExperiment(f *testing.F) {
	eng, err := engine.New(context.Background(), engine.Config{})
	if err != nil {
		f.Fatal(err)
	}
	defer eng.Close()
	fixed, _ := plugins.Lookup("fixed")
	f.Add([]byte("\x00\x00\x01\x00\x01\x00"))
	f.Add(make([]byte, 600))
	long := make([]byte, 6000)
	for i := range long {
		long[i] = byte(i * i >> 3)
	}
	f.Add(long)
	f.Fuzz(func(t *testing.T, data []byte) {
		tp := hostileTape(data)
		x := Experiment{
			Config: Config{
				Open:   func() (Recording, error) { return &recording{tp.header, tp.all}, nil },
				Engine: eng, Setting: DefaultSetting(),
			},
			Name: "hostile", Fixed: fixed, Policies: []Policy{bundled(t, "adaptive"), bundled(t, "fixed:3s")}, Explain: true,
		}
		if len(data)%2 == 1 {
			x.Setting.Limit = 2
		}
		s, err := x.Run(t.Context())
		if err != nil {
			return // there was nothing in it
		}
		for _, p := range s.Policies {
			consistent(t, p.Name, p.Total)
			for _, k := range p.Kinds {
				consistent(t, p.Name+" "+k.Kind, k.Tally)
			}
		}
		if _, err := json.Marshal(s); err != nil {
			t.Error(err)
		}
		if err := report.Table(io.Discard, s, 80); err != nil {
			t.Error(err)
		}
	})
}

// consistent checks what must hold of any tally.
func consistent(t *testing.T, name string, s study.Tally) {
	t.Helper()
	for _, n := range []int64{
		s.Requests, s.Gaps, s.Reused, s.Premature, s.Broken, s.Late, s.Closed, s.Refused, s.UsefulMs, s.ShortMs, s.NeverMs,
		s.CensoredMs, s.HeldByteSeconds, s.LatencyMs, s.HandshakeUs, s.Asks, s.Fuel, s.PeakOpen, s.CostMs,
	} {
		if n < 0 {
			t.Errorf("%s: below zero: %+v", name, s)
			return
		}
	}
	if s.UsefulMs+s.ShortMs+s.NeverMs+s.CensoredMs != s.HeldMs || s.Reused > s.Gaps || s.Late > s.Premature || s.Broken > s.Premature {
		t.Errorf("%s: %+v", name, s)
	}
}
