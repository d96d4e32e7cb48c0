package idle

import (
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// Tape takes down what happens to an account's connections, in an order that a
// replay can follow. It is called from any goroutine, with the connection's
// lock held: it must not block, nor call back.
type Tape interface {
	// Takes reports whether a client's connections are taken down. It is asked
	// once for each.
	Takes(client uint64) bool
	// Take takes down one record. What r points to is not to be kept.
	Take(r trace.Record)
}

// Orderer is a Tape that can put a question where it was asked: by the time of
// its answer, which is some microseconds later, what other connections were
// about may have changed what it is asked on.
type Orderer interface {
	// Locker is held from Mark until the policy was asked: questions have their
	// places in the order in which the policy gets them, which it learns by.
	sync.Locker
	// Mark keeps a place among the records for one that follows soon.
	Mark() (place uint64)
	// TakeAt takes down a question at a place that Mark has kept, and its answer
	// right behind it; nil: there is none yet. Neither is to be kept.
	TakeAt(place uint64, ask trace.Record, answer *trace.Answer)
}

// What an account's tape knows of a connection.
const (
	tapeUnasked uint8 = iota // nothing yet
	tapeTold
	tapeLeaves // it does not want to know
)

// burst is the silence, in a tunnel, that is told of; bytes that go on passing
// are told of as often.
const burst = int64(250 * time.Millisecond)

// SetTape has what happens to the account's connections taken down from now
// on; nil: no longer. Those that are open are introduced by their next record.
func (a *Account) SetTape(t Tape) {
	a.setting.Lock()
	defer a.setting.Unlock()
	if t == nil {
		a.tape.Store(nil)
		return
	}
	a.tape.Store(&t)
	for _, c := range a.snapshot() {
		c.mu.Lock()
		c.taped = tapeUnasked
		c.mu.Unlock()
	}
}

// taping returns the account's tape; nil: it has none. It is on the path of
// every request.
func (a *Account) taping() *Tape { return a.tape.Load() }

// Epoch is the wall clock at the Governor's time 0, by which records count.
func (g *Governor) Epoch() time.Time { return g.clock.base }

// Now is the time since Epoch, nanoseconds.
func (g *Governor) Now() int64 { return g.clock.now() }

// Granularity is the step of the coarse clock.
func (g *Governor) Granularity() time.Duration { return g.cfg.Granularity }

// tellLocked tells t of what happened to the connection.
func (c *Conn) tellLocked(t *Tape, r trace.Record) {
	if c.taped == tapeUnasked {
		c.openLocked(t)
	}
	if c.taped == tapeTold {
		r.Conn = c.id
		(*t).Take(r)
	}
}

// openLocked introduces an admitted connection to t, if that wants it.
func (c *Conn) openLocked(t *Tape) {
	switch {
	case !c.admitted:
	case !(*t).Takes(c.client):
		c.taped = tapeLeaves
	default:
		c.taped = tapeTold
		(*t).Take(c.openingLocked())
	}
}

// findLocked introduces a connection that is open since before the tape was
// set, as it was before something happens to it.
func (c *Conn) findLocked(t *Tape) {
	if t == nil || c.taped != tapeUnasked {
		return
	}
	c.openLocked(t)
	for range max(int(c.inflight)-1, 0) { // its phase tells of the first
		c.tellLocked(t, trace.Record{Kind: trace.KindBegin, Time: c.phaseStart, Route: c.route})
	}
}

// openingLocked is the record that introduces the connection.
func (c *Conn) openingLocked() trace.Record {
	return trace.Record{
		Kind: trace.KindOpen, Time: c.phaseStart, Conn: c.id, Client: c.client,
		Side: c.side, Protocol: c.protocol, Phase: c.Phase(), Handshake: uint16(c.handshake), Route: c.route,
		Age: c.phaseStart - c.opened, BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
	}
}

// introduceLocked tells of a connection that has just been admitted.
func (c *Conn) introduceLocked() {
	if t := c.account.taping(); t != nil {
		c.openLocked(t)
	}
}

// tellPhaseLocked tells t, if there is one, of the phase and the protocol there
// are.
func (c *Conn) tellPhaseLocked(t *Tape) {
	if t != nil {
		c.tellLocked(t, trace.Record{
			Kind: trace.KindPhase, Time: c.phaseStart, Phase: c.Phase(), Protocol: c.protocol, Handshake: uint16(c.handshake),
		})
	}
}

// tellBeginLocked tells of a request, whose first byte came at came, if that is
// not negative.
func (c *Conn) tellBeginLocked(t *Tape, body bool, came, now int64) {
	r := trace.Record{Kind: trace.KindBegin, Time: now, Route: c.route, Body: body}
	if came >= 0 {
		r.Time = max(r.Time, came) // a late coarse clock runs behind
		r.Since = r.Time - came
	}
	c.tellLocked(t, r)
}

// tellLeavingLocked tells of a connection that another account gets, or that a
// new one has turned away: to either tape it has been one of its own.
func (c *Conn) tellLeavingLocked() {
	if t := c.account.taping(); t != nil && c.taped == tapeTold {
		c.tellLocked(t, trace.Record{
			Kind: trace.KindClose, Time: c.gov.clock.now(), Phase: c.Phase(), Reason: policy.ReasonLocal,
			BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		})
	}
}

func (c *Conn) tellEndLocked(t *Tape, now int64) {
	if t != nil {
		c.tellLocked(t, trace.Record{Kind: trace.KindEnd, Time: now, BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load()})
	}
}

// markLocked keeps a place on the account's tape for a question that is about to
// be asked, and the question as it is put; unmarkLocked is due when it was asked.
// That bytes began a request shows with that request only: a question before it
// is put in the phase they have begun.
func (c *Conn) markLocked(p *pending, q *question) (place uint64) {
	t := c.account.taping()
	if t == nil {
		return 0
	}
	c.findLocked(t)
	if c.taped != tapeTold {
		return 0
	}
	if c.stirred >= 0 && c.Phase() == abi.PhaseHeader {
		c.tellPhaseLocked(t)
	}
	p.tape, q.asked = t, q.ask.Event
	if o, ok := (*t).(Orderer); ok {
		o.Lock()
		place = o.Mark()
	}
	return place
}

// unmarkLocked says that the policy was asked.
func (p *pending) unmarkLocked() {
	if p.tape == nil {
		return
	}
	if o, ok := (*p.tape).(Orderer); ok {
		o.Unlock()
	}
}

// tellAskLocked tells of a question at the place that markLocked has kept, if it
// has, and of its answer; nil: there is none yet.
func (p *pending) tellAskLocked(place uint64, q *question, answer *trace.Answer) {
	if p.tape == nil {
		return
	}
	r := trace.Record{Kind: trace.KindAsk, Time: p.asked, Conn: p.conn.id, Ask: &q.asked}
	if o, ok := (*p.tape).(Orderer); ok {
		o.TakeAt(place, r, answer)
		return
	}
	(*p.tape).Take(r)
	if answer != nil {
		(*p.tape).Take(trace.Record{Kind: trace.KindAnswer, Time: p.asked, Conn: p.conn.id, Answer: answer})
	}
}

// tellAnswerLocked tells of an answer that comes now, on the tape that was told
// of the question.
func (p *pending) tellAnswerLocked(ask *policy.Ask, v policy.Verdict, dropped bool, now int64) {
	if p.tape == nil {
		return
	}
	q := p.conn.gov.asks.Get().(*question)
	(*p.tape).Take(trace.Record{Kind: trace.KindAnswer, Time: now, Conn: p.conn.id, Answer: q.answerOf(ask, v, dropped)})
	p.conn.gov.asks.Put(q)
}

// answerOf returns what a tape is told of an answer, until the next.
func (q *question) answerOf(ask *policy.Ask, v policy.Verdict, dropped bool) *trace.Answer {
	q.answer = trace.Answer{Verdict: v, State: ask.Event.State, Leases: ask.Event.Leases, Dropped: dropped}
	return &q.answer
}

// passed tells of bytes in a tunnel after a silence, or after others for long
// enough. this is when they passed, before what it was until then, other when
// bytes passed the other way. It is on the path of bytes, but only once a step
// of the coarse clock.
func (c *Conn) passed(before int64, this, other *atomic.Int64) {
	now := this.Load()
	if now == before {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.account.taping()
	if t == nil {
		return
	}
	silence := max(now-max(before, other.Load(), c.phaseStart), 0)
	if silence < burst && now-c.gaps.end < burst {
		return
	}
	c.gaps.end = now
	c.tellLocked(t, trace.Record{
		Kind: trace.KindBurst, Time: now, Since: silence, BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
	})
}
