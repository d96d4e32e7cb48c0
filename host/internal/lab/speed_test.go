//go:build unix

package lab

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/lab/demand"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/trace"
)

// BenchmarkDecisions asks the bundled policies, metered as they always are, on
// one core:
//
//	alone/NAME    the module, with the questions that a replay has put
//	replay/NAME   whole replays, that of the recording's making included
//	reading       the recording's making, and nothing else
//
// asks/s and events/s are of processor time, all cores' together, whatever else
// the machine does; fuel/ask does not depend on the machine.
func BenchmarkDecisions(b *testing.B) {
	const people, records = 1000, 400_000
	for _, name := range []string{"adaptive", "fixed", "pressure"} {
		b.Run("alone/"+name, func(b *testing.B) { alone(b, name) })
		b.Run("replay/"+name, func(b *testing.B) {
			cfg, p := townConfig(b, people, records), bundled(b, name)
			var asks, events, fuel int64
			begun := processor(b)
			for b.Loop() {
				played, err := Play(b.Context(), cfg, p, nil)
				if err != nil {
					b.Fatal(err)
				}
				asks += played.Outcome.Total.Asks
				events += played.Records
				fuel += played.Outcome.Total.Fuel
			}
			took := processor(b) - begun
			b.ReportMetric(float64(asks)/took, "asks/s")
			b.ReportMetric(float64(events)/took, "events/s")
			b.ReportMetric(float64(fuel)/float64(asks), "fuel/ask")
		})
	}
	b.Run("reading", func(b *testing.B) {
		var events int64
		begun := processor(b)
		for b.Loop() {
			src := newAhead(demand.New(newTown(people, records), demand.Config{}), new(exact))
			for r := new(trace.Record); ; events++ {
				if err := src.Next(r); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(events)/(processor(b)-begun), "events/s")
	})
}

// alone asks a policy the questions of a replay over and over, as its idle
// layer does.
func alone(b *testing.B, name string) {
	cfg, p := townConfig(b, 200, 20_000), bundled(b, name)
	loaded, err := cfg.Engine.Load(b.Context(), engine.Source{Name: p.Name, Wasm: p.Wasm})
	if err != nil {
		b.Fatal(err)
	}
	defer loaded.Close()
	heard := &listener{decider: decider{policy: loaded}}
	town := newTown(200, 20_000)
	pl := newPlayer(&cfg, &p, town.Header())
	pl.tenants[0] = seat(&cfg, heard, loaded)
	if err := pl.run(b.Context(), newAhead(demand.New(town, demand.Config{}), &pl.exact), nil); err != nil {
		b.Fatal(err)
	}
	var ask policy.Ask
	i, begun, fuel := 0, processor(b), fuelOf(loaded)
	for b.Loop() {
		ask = heard.asks[i]
		if v := heard.decider.Decide(&ask); v.Fault != policy.FaultNone {
			b.Fatalf("fault %v", v.Fault)
		}
		if i++; i == len(heard.asks) {
			i = 0
		}
	}
	b.ReportMetric(float64(b.N)/(processor(b)-begun), "asks/s")
	b.ReportMetric(float64(fuelOf(loaded)-fuel)/float64(b.N), "fuel/ask")
}

// fuelOf is what a policy has used so far.
func fuelOf(p *engine.Policy) (sum uint64) {
	for _, n := range p.Stats().FuelTotal {
		sum += uint64(n)
	}
	return sum
}

// processor is the time that this process has run on a processor, in seconds.
func processor(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// listener keeps what is asked.
type listener struct {
	decider
	asks []policy.Ask
}

func (l *listener) Decide(a *policy.Ask) policy.Verdict {
	l.asks = append(l.asks, *a)
	return l.decider.Decide(a)
}
