package idle

import (
	"math/rand/v2"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// question is the memory an ask is put together in. A shard owns one;
// others take one from the Governor's pool.
type question struct {
	ask    policy.Ask
	asked  policy.Event // as it was put, for a tape
	answer trace.Answer // for a tape
	gaps   policy.Gaps
	books  *books.Books // whose gaps these are
	rand   *rand.PCG
	probe  *probe
	turn   *turn    // of the shard that owns it; nil: it is not a shard's
	next   *pending // Ask.Reply of the next ask; nil: the last has been left with a connection
}

func newQuestion() *question {
	return &question{rand: rand.NewPCG(rand.Uint64(), rand.Uint64()), probe: newProbe()}
}

// askLocked asks the account's policy. An answer that comes inside the call is
// taken over but for its action, which is the caller's to apply if it is fresh.
// One that does not come leaves p with the connection, for Answered.
//
// mu is held throughout: a decision takes well under a microsecond, and
// nothing on the way of bytes waits for mu but a change of phase.
func (c *Conn) askLocked(q *question, kind policy.Kind, now int64) (p *pending, v policy.Verdict, fresh bool) {
	base := c.baseLocked()
	c.fillLocked(q, kind, base, now)
	p = c.putLocked(q, kind, base, now)
	place := c.markLocked(p, q)
	v = c.account.Policy.Decide(&q.ask)
	p.unmarkLocked()
	took := time.Duration(c.gov.clock.now() - p.start)
	q.turn.spend(c.account, took)
	c.asks++
	if v.Source == policy.SourcePending {
		c.pending, p.account, q.next = p, c.account, nil
		p.tellAskLocked(place, q, nil)
		return p, v, false
	}
	fresh = c.takeLocked(p, &q.ask, v, took)
	if p.tape != nil {
		p.tellAskLocked(place, q, q.answerOf(&q.ask, v, !fresh))
		p.tape = nil
	}
	p.conn = nil // it may end before the next ask
	return p, v, fresh
}

// putLocked notes what the question in q is about, for its answer.
func (c *Conn) putLocked(q *question, kind policy.Kind, base, now int64) *pending {
	if q.next == nil {
		q.next = c.gov.pendings.Get().(*pending)
	}
	p := q.next
	p.conn, p.kind, p.phase = c, kind, c.Phase()
	p.asked, p.base, p.start = now, base, c.gov.clock.now()
	q.ask.Reply = p
	return p
}

// takeLeasesLocked takes over the leases a policy asks for, within the limits.
// A lease of 0 leaves the phase without one; what the operator's law says of
// rates, maximum times and the ceiling stays in force.
func (c *Conn) takeLeasesLocked(wanted *[abi.Phases]uint32) {
	l := &c.account.law.Load().limits
	var taken leases
	floor, ceiling := policy.Millis(l.Floor), policy.Millis(l.Ceiling)
	for i, ms := range wanted {
		if ms == 0 && policy.Phase(i) < abi.PhaseIdle {
			taken[i] = 0
			continue
		}
		ms = max(ms, floor)
		if ceiling > 0 {
			ms = min(ms, ceiling)
		}
		taken[i] = ms
	}
	if taken != *c.leases {
		c.leases = c.account.share(&taken)
	}
	c.leased = true
}

// setLeasesLocked takes the leases from the law.
func (c *Conn) setLeasesLocked(l *law) {
	c.leases, c.leased = &l.leases, false
}

func millis(ns int64) uint32 { return policy.Millis(time.Duration(ns)) }

// fillLocked writes the event. base is when the idle period began.
func (c *Conn) fillLocked(q *question, kind policy.Kind, base, now int64) {
	k, l := c.gov.clock, &c.account.law.Load().limits
	in, out := c.bytesIn.Load(), c.bytesOut.Load()
	inPhase := max(now-c.phaseStart, 0)
	e := &q.ask.Event
	*e = policy.Event{
		Size: abi.EventUsed, Version: abi.Version,
		Kind: uint8(kind), Phase: uint8(c.phase.Load()), Side: uint8(c.side), Protocol: uint8(c.protocol),
		NowMs: uint64(k.millis(now)), Conn: c.id, Client: c.client, Random: q.rand.Uint64(),
		BytesIn: in, BytesOut: out,
		AgeMs: millis(now - c.opened), PhaseMs: millis(inPhase), IdleMs: millis(now - base),
		ReadMs: millis(now - max(c.lastRead.Load(), c.opened)), WriteMs: millis(now - max(c.lastWrite.Load(), c.opened)),
		ControlMs:  abi.Never,
		DeadlineMs: policy.Millis(c.deadline), Asks: c.asks,
		Requests: c.requests, Streams: c.inflight, Route: c.route, Handshake: uint16(c.handshake),
		Rate:     rate(in+out-c.phaseBytes, inPhase),
		GapCount: c.gaps.count, GapLastMs: c.gaps.last, GapMeanMs: c.gaps.mean, GapMaxMs: c.gaps.max,
		RecvMs:  abi.Never,
		WorthMs: policy.Millis(l.Worth), FloorMs: policy.Millis(l.Floor), CeilingMs: policy.Millis(l.Ceiling),
		TenantOpen: uint32(c.account.open.Load()), TenantLimit: uint32(l.Connections),
		HostOpen: uint32(c.gov.accepted.Load()), HostLimit: uint32(c.gov.Limit()),
		State: c.state, Leases: *c.leases,
		ClientClosedMs: abi.Never,
	}
	if l.Ceiling == 0 {
		e.CeilingMs = abi.Never
	}
	if t := c.lastControl.Load(); t > 0 {
		e.ControlMs = millis(now - t)
	}
	if kind == abi.KindAccept {
		e.DeadlineMs = 0
	}
	p := c.gov.pressureNow(now)
	e.PressureConns, e.PressureFds, e.PressureMemory = p.Conns, p.Fds, p.Memory
	e.Pressure = max(p.Conns, p.Fds, p.Memory, share(c.account.open.Load(), l.Connections))
	c.fillKernelLocked(q, e, now)
	price(e)
	q.ask.Gaps = nil
	if b := c.account.Books; b != nil {
		if q.books != b { // generations are counted by each for itself
			q.books, q.gaps = b, policy.Gaps{}
		}
		b.Fill(e, &q.gaps, k.millis(now))
		q.ask.Gaps = &q.gaps
	}
	if f := c.gov.complete; f != nil {
		f(e)
	}
}

// rate is bytes per second, saturating.
func rate(bytes uint64, ns int64) uint32 {
	if ns < 1e6 {
		return 0
	}
	return uint32(min(float64(bytes)*1e9/float64(ns), 1<<32-1))
}
