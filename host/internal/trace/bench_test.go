package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// busy returns a recording of n records: requests over HTTP/1 on so many
// connections in turn, each Begin, Phase and End, at the pace of a coarse clock
// of 10 ms.
func busy(n, conns int) []Record {
	all := make([]Record, 0, n+conns)
	for i := range conns {
		all = append(all, Record{Kind: KindOpen, Conn: uint64(i) + 1, Tenant: 1, Client: uint64(i)<<40 + 7, Protocol: abi.ProtocolHTTP1, Phase: abi.PhaseIdle})
	}
	served := make([]uint64, conns)
	for i := 0; len(all) < n+conns; i++ {
		c, t := uint64(i*7919)%uint64(conns), int64(i/20)*10e6
		served[c]++
		in, out := served[c]*310, served[c]*4500
		all = append(all,
			Record{Kind: KindBegin, Time: t, Conn: c + 1, Route: uint16(i % 5)},
			Record{Kind: KindPhase, Time: t, Conn: c + 1, Phase: abi.PhaseWrite, Protocol: abi.ProtocolHTTP1},
			Record{Kind: KindEnd, Time: t + 10e6, Conn: c + 1, BytesIn: in, BytesOut: out})
	}
	return all
}

// asks returns n questions of so many connections in turn, as the idle layer
// puts them, and their answers: each after so many questions, a millisecond
// later, or right behind its own.
func asks(n, conns, late int) []Record {
	var all, answers []Record
	for i := range n {
		c, t := uint64(i%conns), int64(i)*1_234_567
		e := policy.Event{
			Size: abi.EventUsed, Version: abi.Version, Kind: uint8(abi.KindTimeout), Phase: uint8(abi.PhaseIdle),
			Protocol: uint8(abi.ProtocolHTTP1), NowMs: uint64(header.Start/1e6 + t/1e6), Conn: c + 1, Client: c * 0x9e3779b97f4a7c15,
			Random: uint64(i) * 0xbf58476d1ce4e5b9, BytesIn: c * 3100, BytesOut: c * 45000,
			AgeMs: uint32(c * 977), PhaseMs: 30000, IdleMs: 30000, ReadMs: 30003, WriteMs: 30000, ControlMs: abi.Never,
			DeadlineMs: 30000, Requests: uint32(c % 50), GapCount: uint32(c % 50), GapLastMs: uint32(c * 31 % 5000),
			GapMeanMs: uint32(c * 37 % 5000), GapMaxMs: uint32(c * 41 % 9000), RttUs: uint32(20000 + c*13%9000),
			RttVarUs: uint32(c * 17 % 900), RecvMs: 30003, HoldBytes: 2048, ReconnectUs: uint32(3 * (20000 + c*13%9000)),
			WorthMs: 120000, Pressure: 12, PressureConns: 12, PressureFds: 9, PressureMemory: 4,
			TenantOpen: uint32(conns), HostOpen: uint32(conns), HostLimit: 20000, CeilingMs: 600000,
			ClientConns: 3, ClientOpen: 1, ClientClosedMs: abi.Never, ClientGapCount: uint32(c % 50),
		}
		for p := range e.Leases {
			e.Leases[p] = 30000
		}
		for g := range int(c % 32) {
			e.ClientGaps[g] = uint32(c*uint64(g)*131) % 20000
		}
		answer := Record{Kind: KindAnswer, Time: t, Conn: c + 1, Answer: &Answer{
			State: e.State, Leases: e.Leases, Verdict: policy.Verdict{Action: abi.ActionExtend, Deadline: 45e9, Source: policy.SourcePolicy},
		}}
		if late > 0 {
			answer.Time += 1e6
		}
		binary.LittleEndian.PutUint32(answer.Answer.State[:], uint32(i)*31%5000)
		all, answers = append(all, Record{Kind: KindAsk, Time: t, Conn: c + 1, Ask: &e}), append(answers, answer)
		if len(answers) >= late || i == n-1 {
			all, answers = append(all, answers...), nil
		}
	}
	return all
}

// BenchmarkWrite tells nanoseconds and bytes of a request's record, of which it
// has three, and of a question with its answer.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		name string
		each int
		all  []Record
	}{
		{"request", 1, busy(3<<14, 10_000)[10_000:]},
		{"ask", 2, asks(1<<12, 1000, 0)},
		{"ask-late", 2, asks(1<<12, 1000, 100)},
	} {
		b.Run(c.name, func(b *testing.B) {
			w, err := NewWriter(io.Discard, header, Config{})
			check(b, err)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				for range c.each {
					if err := w.Write(&c.all[i]); err != nil {
						b.Fatal(err)
					}
					if i++; i == len(c.all) {
						i = 0
					}
				}
			}
			b.ReportMetric(float64(w.Size())/float64(w.Records())*float64(c.each), "B/each")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name string
		all  []Record
	}{{"request", busy(3<<18, 10_000)}, {"ask", asks(1<<14, 1000, 0)}} {
		b.Run(c.name, func(b *testing.B) {
			file := written(b, header, c.all)
			r, err := NewReader(bytes.NewReader(file))
			check(b, err)
			b.ReportAllocs()
			var x Record
			for b.Loop() {
				err := r.Next(&x)
				if errors.Is(err, io.EOF) {
					b.StopTimer()
					r, err = NewReader(bytes.NewReader(file))
					b.StartTimer()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
