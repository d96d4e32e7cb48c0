package recorder

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// BenchmarkRequest is what a proxied request costs a recording in all: the
// three records of either side, through the ring and into the file.
func BenchmarkRequest(b *testing.B) {
	r, err := New(Config{File: b.TempDir() + "/live.trace", Start: 1, Granularity: 1e7, MaxSize: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	r.Close() // the writing is done here, so that its time counts
	a := r.Tenant("acme")
	r.over.Store(false)
	if err := r.begin(); err != nil {
		b.Fatal(err)
	}
	defer r.series.close()
	b.ReportAllocs()
	var n uint64
	before := processorTime(b)
	for b.Loop() {
		n++
		for side := range uint64(2) {
			conn, now := 1+n%64*2+side, int64(n)*20_000/1e7*1e7
			a.Take(trace.Record{Kind: trace.KindBegin, Time: now, Conn: conn, Since: 1234})
			a.Take(trace.Record{Kind: trace.KindPhase, Time: now, Conn: conn, Phase: abi.PhaseWrite, Protocol: abi.ProtocolHTTP1})
			a.Take(trace.Record{Kind: trace.KindEnd, Time: int64(n) * 20_123, Conn: conn, BytesIn: n * 100, BytesOut: n * 300})
		}
		if n%500 == 0 {
			if _, err := r.drain(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(n), "cpu-ns/op")
	if r.Stats().Dropped > 0 {
		b.Error("records were dropped")
	}
}

// processorTime is the process's own: what the clock says is also others'.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Skip(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
