package idle

import (
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// patience is for how long a connection whose deadline has passed waits for
// its policy's answer before the operator's law decides.
const patience = 10 * time.Second

// pending is a question that has been put and has no answer yet. A connection
// has one at a time. It does not keep the event: whoever answers later brings
// that along.
type pending struct {
	conn    *Conn
	account *Account  // that was asked; nil until the answer is known not to come inside the call
	close   *question // on_close, which waits for this answer; nil: the connection is open, or nobody is to be told
	tape    *Tape     // that is told of it; nil: none is
	asked   int64     // the event's time, from which a deadline counts
	base    int64     // when the idle period began that the question is about
	start   int64     // when it was put, a little after asked
	kind    policy.Kind
	phase   policy.Phase
}

// Answered applies an answer that did not come inside the call. It is called
// on any goroutine, without a lock.
func (p *pending) Answered(ask *policy.Ask, v policy.Verdict) {
	c := p.conn
	c.mu.Lock()
	after := c.answeredLocked(p, ask, v)
	c.mu.Unlock()
	if after != nil {
		after()
	}
	*p = pending{}
	c.gov.pendings.Put(p)
}

// answeredLocked returns what is to be done without mu, if anything. A
// connection that has been closed, or has another account, heeds no answer.
func (c *Conn) answeredLocked(p *pending, ask *policy.Ask, v policy.Verdict) (after func()) {
	now := c.gov.clock.now()
	took := time.Duration(now - p.start)
	mine := c.pending == p
	if mine {
		c.pending = nil
	}
	if !mine || c.closed {
		c.gov.cfg.Observer.Asked(p.account, ask, v, took)
		p.tellAnswerLocked(ask, v, true, now)
		p.closeLocked(ask)
		return nil
	}
	c.extUntil = 0 // it was there to wait
	fresh := c.takeLocked(p, ask, v, took)
	p.tellAnswerLocked(ask, v, !fresh, now)
	switch {
	case !fresh:
	case p.kind == abi.KindTimeout:
		return c.heedLocked(p, v, now)
	case !c.acceptLocked(p, v):
		after = c.leaveLocked(now, policy.ReasonPolicy)
	}
	c.soonerLocked()
	return after
}

// closeLocked asks the on_close that has waited for this answer, if one has.
func (p *pending) closeLocked(ask *policy.Ask) {
	if q := p.close; q != nil {
		q.ask.Event.State = ask.Event.State
		p.conn.putCloseLocked(p.account, q)
	}
}

// takeLocked takes over what an answer says besides its action, and reports
// whether it is fresh. That of a timeout is not where the connection has been
// used since the question was put, or is being ended: its action and leases do
// not count.
func (c *Conn) takeLocked(p *pending, ask *policy.Ask, v policy.Verdict, took time.Duration) (fresh bool) {
	fresh = p.kind == abi.KindAccept || c.ending.Load() == 0 && c.lastsLocked(p)
	if c.log = c.log || v.Log; c.ending.Load() == 0 {
		c.verdict = v
	}
	c.gov.cfg.Observer.Asked(c.account, ask, v, took)
	c.state = ask.Event.State
	switch {
	case !fresh:
	case v.Leases:
		c.takeLeasesLocked(&ask.Event.Leases)
	case v.Source == policy.SourceFallback:
		c.setLeasesLocked(c.account.law.Load())
	}
	return fresh
}

// lastsLocked reports whether the idle period lasts that the question is about.
func (c *Conn) lastsLocked(p *pending) bool {
	return c.baseLocked() == p.base && c.Phase() == p.phase
}

// acceptLocked applies the answer to the accept event and reports whether the
// policy takes the connection.
func (c *Conn) acceptLocked(p *pending, v policy.Verdict) bool {
	if v.Action == abi.ActionClose {
		return false
	}
	if v.Action == abi.ActionExtend && c.lastsLocked(p) { // a lease for the phase that begins
		c.extBase = p.base
		c.extUntil = p.asked + int64(c.clampLocked(v.Deadline, time.Duration(max(p.asked-p.base, 0))))
	}
	return true
}

// heedLocked applies the answer to a timeout. It returns what is to be done
// without mu, if anything.
func (c *Conn) heedLocked(p *pending, v policy.Verdict, now int64) (after func()) {
	hold, reason := c.weighLocked(v, p.asked-p.base)
	if hold <= 0 {
		return c.endAtLocked(now, reason)
	}
	c.holdLocked(p.base, p.asked+int64(hold), now)
	return nil
}

// holdLocked has the policy asked again at until, unless the connection is
// used before.
func (c *Conn) holdLocked(base, until, now int64) {
	c.extBase, c.extUntil = base, until
	at, _ := c.dueLocked(now, true)
	c.scheduleLocked(max(at, now+1))
}

// waitLocked is for a deadline that has passed while a question is open: the
// connection is held until its answer comes or patience is over, then as long
// as the operator's law says.
func (c *Conn) waitLocked(base, now int64) (after func()) {
	until := c.pending.asked + int64(patience)
	if until <= now {
		c.verdict = policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultNotLoaded, Role: c.verdict.Role}
		hold, reason := c.weighLocked(c.verdict, now-base)
		if hold <= 0 {
			return c.endAtLocked(now, reason)
		}
		until = now + int64(hold)
	}
	c.holdLocked(base, until, now)
	return nil
}

// leaveLocked ends the connection for a reason as soon as nothing is under way
// on it: now, or at the end of its last request. It returns what is to be done
// without mu, if anything.
func (c *Conn) leaveLocked(now int64, r policy.Reason) (after func()) {
	if c.leaving == 0 {
		c.leaving = 1 + uint8(r)
	}
	if c.ending.Load() != 0 || c.inflight > 0 || !restful(c.Phase()) {
		return nil
	}
	return c.endAtLocked(now, r)
}
