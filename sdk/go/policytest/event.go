// Package policytest lets a policy be tested without a host: events to ask it
// with, and a Host that drives it with clients over virtual time.
package policytest

import (
	"time"

	"idlehost/sdk/abi"
	policy "idlehost/sdk/go"
)

// NewEvent returns what a host with usual settings says of a client's first,
// plain HTTP/1.1 connection in phase p, idle for the given time: leases of a
// minute, a ceiling of an hour, a reconnect worth one minute, nothing
// remembered. Change what the test is about.
func NewEvent(p policy.Phase, idle time.Duration) *policy.Event {
	e := new(policy.Event)
	e.Size, e.Version = abi.EventUsed, abi.Version
	e.Kind, e.Phase = uint8(abi.KindTimeout), uint8(p)
	e.Protocol = uint8(policy.ProtocolHTTP1)
	e.NowMs = 1_700_000_000_000
	e.Conn, e.Client = 1, 1
	e.IdleMs = policy.Millis(idle)
	e.AgeMs, e.PhaseMs, e.ReadMs, e.WriteMs = e.IdleMs, e.IdleMs, e.IdleMs, e.IdleMs
	e.DeadlineMs = e.IdleMs
	e.ControlMs, e.RecvMs, e.ClientClosedMs = policy.Never, policy.Never, policy.Never
	e.HoldBytes = 4096
	e.WorthMs, e.CeilingMs = 60_000, 3_600_000
	e.ClientConns, e.ClientOpen = 1, 1
	for i := range e.Leases {
		e.Leases[i] = 60_000
	}
	e.Gaps.Unit = unit
	return e
}

// unit is the weight of one gap in the histograms made here.
const unit = 1 << 8

// AddGap notes one gap of the tenant in the event's histogram.
func AddGap(g *policy.Gaps, d time.Duration, kind policy.GapKind) {
	if g.Unit == 0 {
		g.Unit = unit
	}
	bins := &g.Cut
	switch kind {
	case policy.GapReturned:
		bins = &g.Returned
	case policy.GapGone:
		bins = &g.Gone
	}
	bins[abi.Bin(policy.Millis(d))] += g.Unit
	g.Generation++
}

// removeGap takes back a gap that AddGap noted.
func removeGap(g *policy.Gaps, d time.Duration, kind policy.GapKind) {
	if kind == policy.GapCut {
		g.Cut[abi.Bin(policy.Millis(d))] -= g.Unit
	}
}

// AddClientGap notes a gap of the client itself, as its newest.
func AddClientGap(e *policy.Event, d time.Duration, kind policy.GapKind) {
	copy(e.ClientGaps[1:], e.ClientGaps[:])
	e.ClientGaps[0] = entry(d, kind)
	e.ClientGapCount++
}

// entry packs a gap as Event.ClientGaps holds it; 0 would mean an unused one.
func entry(d time.Duration, kind policy.GapKind) uint32 {
	return min(max(policy.Millis(d), 1), 1<<30-1) | uint32(kind)<<30
}
