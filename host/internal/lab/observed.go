package lab

import (
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// A player is its world's Observer.
var _ idle.Observer = (*player)(nil)

// Asked counts a question.
func (p *player) Asked(_ *idle.Account, ask *policy.Ask, v policy.Verdict, _ time.Duration) {
	l := p.current
	if l == nil {
		return
	}
	p.current = nil
	if p.obeys != nil {
		return
	}
	p.count(l, &l.tally.questions, 1)
	if v.Fault != policy.FaultNone {
		p.faults[v.Fault]++
	}
	switch {
	case v.Action == abi.ActionExtend:
		l.tally.asked.add(int64(ask.Event.IdleMs)*1e6 + int64(v.Deadline))
	case v.Leases && ask.Event.Kind == uint8(abi.KindAccept):
		l.tally.asked.add(int64(ask.Event.Leases[l.phase]) * 1e6)
	}
	l.agreed = p.exact.compare(l.number, ask, v)
	if p.explain != nil {
		p.explain.asked(l, ask, v, p.world.Now())
	}
}

// Ended notes a connection that the host has ended.
func (p *player) Ended(e *idle.End) {
	l := p.conns[e.ID]
	if l == nil {
		return // it was the client, or an accident
	}
	delete(p.conns, e.ID)
	l.conn, l.closing = nil, false
	p.gone(l)
	now := p.world.Now()
	if l.inflight > 0 {
		p.count(l, &l.tally.refused, 1)
		return
	}
	l.closedAt, l.held = now, max(now-l.idleSince, 0)
	if e.Asks <= 1 && l.held == 0 {
		return // refused
	}
	p.count(l, &l.tally.closed, 1)
	l.tally.closings.add(l.held)
	if p.explain != nil {
		p.explain.closed(l, e, now)
	}
}

// Reused, Late and Returned tell what a player sees for itself, by lanes.
func (p *player) Reused(*idle.Account, time.Duration)             {}
func (p *player) Late(*idle.Account, uint64, time.Duration, bool) {}
func (p *player) Returned(*idle.Account, uint64, time.Duration)   {}

// complete puts into an event what the recording tells, and only it can.
func (p *player) complete(e *policy.Event) {
	l := p.conns[e.Conn]
	p.current = l
	if l == nil {
		return
	}
	if f := &l.facts; f.rttUs > 0 {
		e.RttUs, e.RttVarUs = f.rttUs, f.rttVarUs
		trips, cpu := p.reconnect(l)
		e.ReconnectUs = uint32(min(trips*int64(f.rttUs)+cpu, abi.Never))
	}
	e.HoldBytes = uint32(min(p.bytes(l), abi.Never))
	if l.tenant.exact {
		p.exact.complete(l, p.world.Now(), e)
	}
}

// bytes is what the lane's connection takes while it is idle.
func (p *player) bytes(l *lane) int64 {
	switch {
	case p.cfg.Setting.HoldBytes > 0:
		return p.cfg.Setting.HoldBytes
	case l.facts.holdBytes > 0:
		return int64(l.facts.holdBytes)
	}
	return int64(idle.HoldBytes(l.protocol, l.handshake))
}

// closes has the connection of a lane, of which the policy decided what the
// recording says, be closed when it was: its owner had to be woken for that, and
// questions about others were asked meanwhile.
func (p *player) closes(conn uint64) bool {
	l := p.conns[conn]
	if l == nil || l.conn == nil || !l.tenant.exact || !l.agreed {
		return false
	}
	l.closing = true
	return true
}

// late says when a look happens that is due now. While a request is under way
// its peer is taken to be alive: that it was not, the recording would tell.
func (p *player) late(conn uint64, now int64) int64 {
	l := p.conns[conn]
	if l == nil || l.conn == nil {
		return now
	}
	if l.inflight > 0 {
		p.world.Touch(l.conn, now, now)
	}
	if l.tenant.exact {
		return p.exact.late(l, p.world, now)
	}
	return now
}

// asks has the question be asked that the recording tells of, if it was not.
func (p *player) asks(l *lane, r *trace.Record) {
	e := r.Ask
	l.facts = facts{rttUs: e.RttUs, rttVarUs: e.RttVarUs, holdBytes: e.HoldBytes}
	l.asked = asked{at: r.Time, idle: int64(e.IdleMs) * 1e6, kind: policy.Kind(e.Kind), phase: policy.Phase(e.Phase)}
	if e.Kind == uint8(abi.KindClose) {
		return
	}
	if l.tenant.exact && l.conn != nil && p.exact.pending(l.number) {
		p.world.Look(l.conn) // the host had another reason to look so soon
	}
	p.exact.passed(l.number, l.tenant.exact)
}
