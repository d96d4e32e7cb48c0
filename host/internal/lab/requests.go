package lab

import (
	"idlehost/host/internal/lab/bounds"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// begin has a request begin, on a new connection if the policy has closed the
// one there was.
func (p *player) begin(l *lane, r *trace.Record) {
	if l.tunnel() && l.conn != nil { // the recording's host had closed it; this one has not
		p.burst(l, r)
		return
	}
	at := r.Time - r.Since
	if l.inflight == 0 {
		p.resume(l, at, l.used || at > l.idleSince)
	}
	if l.conn == nil {
		p.connect(l)
	}
	if l.inflight == 0 && l.conn != nil {
		p.quiet--
	}
	l.inflight++
	l.used = true
	p.count(l, &l.tally.requests, 1)
	if c := l.conn; c != nil {
		p.world.Set(at)
		p.world.Stir(c)
		if l.protocol != abi.ProtocolHTTP2 { // whose gaps end with the request, not with its first byte
			p.world.Set(r.Time)
		}
		c.Begin(r.Route, r.Body)
		p.world.Set(r.Time)
	}
}

// resume accounts for the idle time that ends at, with the client's coming
// back. gap says that it is one between two requests.
func (p *player) resume(l *lane, at int64, gap bool) {
	if gap {
		p.count(l, &l.tally.gaps, 1)
	}
	if l.conn == nil {
		p.returned(l, at)
		return
	}
	if gap {
		p.count(l, &l.tally.reused, 1)
	}
	p.hold(l, &l.tally.useful, l.idleSince, at)
	p.told(l, "client back", at-l.idleSince)
}

// returned accounts for a client that finds its connection closed: what it was
// held for was too short, and it pays for another.
func (p *player) returned(l *lane, at int64) {
	if l.closedAt == never {
		return // refused, or cut off in the middle of a request
	}
	closed, began := l.closedAt, l.closedAt-l.held
	l.closedAt = never
	p.hold(l, &l.tally.short, began, closed)
	if began < p.cfg.Span.CountFrom {
		return
	}
	t := l.tally
	t.premature++
	l.group.Premature++
	if l.tunnel() {
		t.broken++
	}
	p.missed(l, closed-began, at-began)
	trips, cpu := p.reconnect(l)
	rtt := int64(l.facts.rttUs)
	if rtt == 0 {
		rtt = p.cfg.Setting.RoundTripMs * 1000
	}
	t.latency += trips*rtt + cpu
	t.handshake += cpu
	p.told(l, "closed, and the client back later", at-began)
}

// reconnect is what a new connection takes: round trips (RFC 8446 section 2)
// and microseconds of processor time.
func (p *player) reconnect(l *lane) (trips, cpu int64) {
	const resumedUs = 200
	switch {
	case l.handshake == 1:
		return 2, p.cfg.Setting.HandshakeUs
	case l.handshake == 2:
		return 2, min(p.cfg.Setting.HandshakeUs, resumedUs)
	case l.facts.rttUs > 0: // a recording that tells of handshakes: there was none
		return 1, 0
	}
	return p.cfg.Setting.RoundTrips, p.cfg.Setting.HandshakeUs
}

// endRequest has a request end.
func (p *player) endRequest(l *lane, r *trace.Record) {
	if l.inflight == 0 {
		return
	}
	l.inflight--
	if l.conn != nil {
		p.pass(l, r)
		l.conn.End()
	}
	if l.inflight == 0 {
		l.idleSince = r.Time
		if l.conn != nil {
			p.quiet++
		}
	}
}

// pass has the bytes pass that the recording counts.
func (p *player) pass(l *lane, r *trace.Record) {
	if l.conn != nil {
		p.world.Pass(l.conn, r.BytesIn-min(l.in, r.BytesIn), r.BytesOut-min(l.out, r.BytesOut))
	}
	l.in, l.out = max(l.in, r.BytesIn), max(l.out, r.BytesOut)
}

// phase has the connection move to another phase, or speak another protocol.
func (p *player) phase(l *lane, r *trace.Record) {
	if l.protocol != r.Protocol || l.handshake != r.Handshake {
		l.protocol, l.handshake = r.Protocol, r.Handshake
		if l.conn != nil {
			l.conn.SetProtocol(r.Protocol)
			l.conn.SetHandshake(r.Handshake)
		}
	}
	if r.Phase == abi.PhaseHeader {
		if l.conn != nil {
			p.world.Stir(l.conn)
		}
		return
	}
	if !l.tunnel() && (r.Phase == abi.PhaseTunnel || r.Phase == abi.PhaseHalfClosed) {
		l.tunnelled(p, r.Time)
	}
	p.moved(l, r.Phase)
}

// tunnelled says that what was a request has become a tunnel.
func (l *lane) tunnelled(p *player, at int64) {
	if l.inflight > 0 && l.conn != nil {
		p.quiet++
	}
	l.inflight, l.idleSince, l.used = 0, at, true
}

// burst has bytes pass in a tunnel after a silence.
func (p *player) burst(l *lane, r *trace.Record) {
	if l.inflight > 0 {
		p.pass(l, r)
		return
	}
	began := max(r.Time-r.Since, l.idleSince)
	if l.conn != nil {
		l.idleSince = began // what passed since the last burst kept it busy
	}
	p.resume(l, r.Time, r.Time-began >= bounds.Silence)
	if l.conn == nil {
		p.connect(l)
	}
	p.pass(l, r)
	l.idleSince = r.Time
}

// leave has the client, or an accident, end the lane.
func (p *player) leave(l *lane, r *trace.Record) {
	delete(p.lanes, l.number)
	if p.obeys != nil {
		delete(p.obeys.lanes, l.number)
	}
	p.settle(l, r.Time, r.Reason == policy.ReasonDrain)
	if l.conn != nil {
		c := l.conn
		l.conn = nil
		delete(p.conns, c.ID())
		p.gone(l)
		p.world.Leave(c, r.Reason)
	}
}

// settle accounts for idle time that no request ends. unknown says that it was
// cut off by something that says nothing of the client.
func (p *player) settle(l *lane, at int64, unknown bool) {
	switch {
	case l.inflight > 0:
	case l.conn == nil && l.closedAt != never:
		p.hold(l, &l.tally.never, l.closedAt-l.held, l.closedAt)
		p.told(l, "closed, and the client gone", at-(l.closedAt-l.held))
	case l.conn != nil && unknown:
		p.hold(l, &l.tally.censored, l.idleSince, at)
		p.told(l, "open at the end", at-l.idleSince)
	case l.conn != nil:
		p.hold(l, &l.tally.never, l.idleSince, at)
		p.told(l, "client closed", at-l.idleSince)
	}
}

// gone takes the lane's connection out of the numbers.
func (p *player) gone(l *lane) {
	l.tally.open--
	p.total.open--
	if l.inflight == 0 {
		p.quiet--
	}
}

// hold adds idle time to one of a tally's sums.
func (p *player) hold(l *lane, sum *int64, from, to int64) {
	if from < p.cfg.Span.CountFrom {
		return
	}
	us := max(to-from, 0) / 1000
	*sum += us
	l.group.HeldUs += us
	l.tally.byteSeconds += us / 1000 * p.bytes(l) / 1000
}

func (p *player) count(l *lane, what *int64, n int64) {
	if p.world.Now() >= p.cfg.Span.CountFrom {
		*what += n
	}
}
