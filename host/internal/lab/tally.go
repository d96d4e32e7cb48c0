package lab

import (
	"idlehost/host/internal/lab/study"
)

// tally counts in microseconds what a study tells in milliseconds: nanoseconds
// of a million connections overflow within hours.
type tally struct {
	kind                                                                        string
	requests, gaps, reused, premature, broken, late, closed, refused, questions int64

	useful, short, never, censored int64 // held
	byteSeconds                    int64
	latency, handshake             int64
	open, peak                     int64
	closings                       bins // how long what was closed had been idle
	asked                          bins // the deadlines that were given
}

func (t *tally) opened() {
	t.open++
	t.peak = max(t.peak, t.open)
}

// study returns the tally under a price.
func (t *tally) study(worthMs int64) study.Tally {
	s := study.Tally{
		Requests: t.requests, Gaps: t.gaps, Reused: t.reused, Premature: t.premature, Broken: t.broken,
		Late: t.late, Closed: t.closed, Refused: t.refused,
		UsefulMs: t.useful / 1e3, ShortMs: t.short / 1e3, NeverMs: t.never / 1e3, CensoredMs: t.censored / 1e3,
		HeldByteSeconds: t.byteSeconds, LatencyMs: t.latency / 1e3, HandshakeUs: t.handshake,
		Asks: t.questions, PeakOpen: t.peak,
	}
	s.HeldMs = s.UsefulMs + s.ShortMs + s.NeverMs + s.CensoredMs
	s.CostMs = s.HeldMs + worthMs*s.Premature
	return s
}

// add adds another's counts; its peak is not one of the sum's.
func (t *tally) add(o *tally) {
	t.requests += o.requests
	t.gaps += o.gaps
	t.reused += o.reused
	t.premature += o.premature
	t.broken += o.broken
	t.late += o.late
	t.closed += o.closed
	t.refused += o.refused
	t.questions += o.questions
	t.useful += o.useful
	t.short += o.short
	t.never += o.never
	t.censored += o.censored
	t.byteSeconds += o.byteSeconds
	t.latency += o.latency
	t.handshake += o.handshake
	t.closings.addAll(&o.closings)
	t.asked.addAll(&o.asked)
}
