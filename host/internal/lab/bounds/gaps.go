// Package bounds works out what the numbers of policies are held against: every
// fixed timeout, the best one in hindsight, the optimum of somebody who knows
// the future, ski rental, and limits on connections instead of clocks. And it
// takes the census of a recording: what there is in it, and of what kinds its
// clients are.
//
// All of it reads a recording by lanes (package demand), once, and holds what
// there is of clients and open lanes, not of events.
package bounds

import (
	"time"

	"idlehost/host/internal/lab/demand"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// Silence is what counts as a gap in a tunnel, nanoseconds.
const Silence = int64(250 * time.Millisecond)

// gap is a time in which nothing is under way on a lane: between two requests
// (or bursts, in a tunnel), before the first, or after the last.
type gap struct {
	lane       int32 // a slot, used again once the lane has ended
	client     uint64
	start, end int64
	ended      ending
	numbered   int64 // among all that were begun, from 0 on
}

// ending is how a gap ended.
type ending uint8

const (
	returned ending = iota // in another request
	left                   // the client closed
	cutOff                 // the recording did
	void                   // it was none: what began a lane came with it
)

// follower is told of gaps, begun and ended, in the order in which that
// happens.
type follower interface {
	begun(*gap)
	ended(*gap)
}

// lane is one that is open.
type lane struct {
	gap      gap
	inflight int32
	used     bool
	waiting  bool
	tunnel   bool
	side     policy.Side
	protocol policy.Protocol
}

// gaps finds the gaps in records by lanes.
type gaps struct {
	to     follower
	lanes  map[uint64]*lane
	free   []int32
	slots  int32
	number int64
	last   int64
}

func newGaps(to follower) *gaps { return &gaps{to: to, lanes: map[uint64]*lane{}} }

// add takes the next record.
func (g *gaps) add(r *trace.Record) {
	g.last = max(g.last, r.Time)
	l := g.lanes[r.Conn]
	switch {
	case r.Conn == 0:
	case r.Kind == trace.KindOpen && l == nil:
		g.open(r)
	case l == nil:
	case r.Kind == trace.KindBegin && !l.tunnel:
		g.end(l, r.Time-r.Since, returned)
		l.inflight++
		l.used = true
	case r.Kind == trace.KindEnd && l.inflight > 0:
		if l.inflight--; l.inflight == 0 {
			g.begin(l, r.Time)
		}
	case r.Kind == trace.KindPhase:
		g.phase(l, r)
	case r.Kind == trace.KindBurst && l.inflight == 0, r.Kind == trace.KindBegin:
		g.end(l, r.Time, returned)
		g.begin(l, r.Time)
	case r.Kind == trace.KindClose && !demand.Cut(r):
		how := left
		if r.Reason == policy.ReasonDrain {
			how = cutOff
		}
		g.end(l, r.Time, how)
		g.free = append(g.free, l.gap.lane)
		delete(g.lanes, r.Conn)
	}
}

func (g *gaps) open(r *trace.Record) {
	l := &lane{side: r.Side, protocol: r.Protocol}
	l.gap.client = r.Client
	if n := len(g.free); n > 0 {
		l.gap.lane, g.free = g.free[n-1], g.free[:n-1]
	} else {
		l.gap.lane = g.slots
		g.slots++
	}
	g.lanes[r.Conn] = l
	switch {
	case r.Phase == abi.PhaseTunnel || r.Phase == abi.PhaseHalfClosed:
		l.tunnel, l.used = true, true
	case r.Phase > abi.PhaseHeader && r.Phase < abi.PhaseIdle:
		l.inflight = 1
		return
	}
	g.begin(l, r.Time)
}

// phase notes that what was a request has become a tunnel.
func (g *gaps) phase(l *lane, r *trace.Record) {
	l.protocol = r.Protocol
	if l.tunnel || r.Phase != abi.PhaseTunnel && r.Phase != abi.PhaseHalfClosed {
		return
	}
	g.end(l, r.Time, void)
	l.tunnel, l.used, l.inflight = true, true, 0
	g.begin(l, r.Time)
}

func (g *gaps) begin(l *lane, at int64) {
	l.gap.start, l.gap.numbered, l.waiting = at, g.number, true
	g.number++
	g.to.begun(&l.gap)
}

// end ends the lane's gap, if there is one. A lane's first request does not
// end one if it came with the lane; nor do bytes that go on passing in a tunnel.
func (g *gaps) end(l *lane, at int64, how ending) {
	if !l.waiting {
		return
	}
	l.waiting = false
	l.gap.end = max(at, l.gap.start)
	if how == returned && (!l.used && l.gap.end == l.gap.start || l.tunnel && l.gap.end-l.gap.start < Silence) {
		how = void
	}
	l.gap.ended = how
	g.to.ended(&l.gap)
}

// finish cuts off what is open, at at.
func (g *gaps) finish(at int64) {
	for _, l := range g.lanes {
		g.end(l, max(at, g.last), cutOff)
	}
}
