package idle

import (
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// expire is called by the shard when the entry was due. Usually there has
// been activity meanwhile, and the entry moves itself.
func (c *Conn) expire(now int64, q *question) {
	c.mu.Lock()
	switch {
	case (c.linger || c.ending.Load() != 0) && now < c.armed:
		// The end was decided after the entry had come up: whoever is to close
		// the connection has his time before him.
		c.scheduleLocked(c.armed)
		c.mu.Unlock()
		return
	case c.linger:
		c.mu.Unlock()
		c.endLinger()
		return
	case c.closed:
		c.mu.Unlock()
		return
	case c.ending.Load() != 0 && c.inflight > 0 && restful(c.endPhase):
		// a request was faster than the end; it is the last, and is served
		c.scheduleLocked(now + c.graceLocked())
		c.mu.Unlock()
		return
	case c.ending.Load() != 0: // its owner had graceLocked to close it
		c.inner.Close()
		c.mu.Unlock()
		c.Close()
		return
	}
	ended := c.lookLocked(now, q)
	c.mu.Unlock()
	if ended != nil {
		ended()
	}
}

// lookLocked asks if something is due, and ends the connection or schedules
// the next look. It returns what is to be done without mu, if anything.
func (c *Conn) lookLocked(now int64, q *question) (after func()) {
	at, why := c.dueLocked(now, true)
	if at <= now && c.absorbLocked(q) {
		at, why = c.dueLocked(now, true)
	}
	if at > now || why == causeNone {
		c.scheduleLocked(max(at, now+1))
		return nil
	}
	if why == causePark || why == causeBare {
		if why == causePark {
			c.interruptLocked(now)
		} else {
			after = c.stripLocked()
		}
		at, _ = c.dueLocked(now, true)
		c.scheduleLocked(max(at, now+1))
		return after
	}
	base := c.baseLocked()
	c.deadline = time.Duration(max(at-base, 0))
	switch why {
	case causeProgress:
		return c.endAtLocked(now, policy.ReasonProgress)
	case causeLeaving:
		return c.endAtLocked(now, policy.Reason(c.leaving-1))
	case causeCeiling:
		reason := policy.ReasonClamp
		if c.verdict.Source != policy.SourcePolicy || c.verdict.Action == abi.ActionDefault {
			reason = policy.ReasonDefault
		}
		return c.endAtLocked(now, reason)
	}
	if !c.admitted { // nobody to ask yet: the operator's law alone
		return c.endAtLocked(now, policy.ReasonDefault)
	}
	if c.pending != nil {
		return c.waitLocked(base, now)
	}
	if q.turn.putOff(c.account, &c.entry) {
		return nil
	}
	p, v, fresh := c.askLocked(q, abi.KindTimeout, now)
	switch {
	case c.pending == p:
		return c.waitLocked(base, now)
	case !fresh: // bytes came while the policy thought
		c.scheduleLocked(now + 1)
		return nil
	}
	return c.heedLocked(p, v, now)
}

// weighLocked turns a verdict at a timeout into how much longer to hold; not
// positive means to end, for the reason returned.
func (c *Conn) weighLocked(v policy.Verdict, idle int64) (hold time.Duration, reason policy.Reason) {
	l := c.account.law.Load()
	switch v.Action {
	case abi.ActionExtend:
		return c.clampLocked(v.Deadline, time.Duration(idle)), policy.ReasonClamp
	case abi.ActionClose:
		return l.limits.Floor - time.Duration(idle), policy.ReasonPolicy
	default: // as without a policy; a policy's shorter lease does not count
		law := l.timeouts[c.phase.Load()].Idle
		if law <= 0 {
			return time.Duration(recheck), policy.ReasonDefault
		}
		if c.hint > 0 && policy.Phase(c.phase.Load()) == abi.PhaseIdle {
			law = min(law, time.Duration(c.hint)*time.Millisecond)
		}
		return law - time.Duration(idle), policy.ReasonDefault
	}
}

// clampLocked bounds an extension by floor and ceiling.
func (c *Conn) clampLocked(d, idle time.Duration) time.Duration {
	l := &c.account.law.Load().limits
	d = max(d, l.Floor, time.Millisecond)
	if l.Ceiling > 0 {
		d = min(d, l.Ceiling-idle)
	}
	return d
}

// absorbLocked asks the kernel what passed unseen and reports whether that
// changes when something is due.
func (c *Conn) absorbLocked(q *question) bool {
	p := policy.Phase(c.phase.Load())
	writing := p == abi.PhaseWrite && c.side == sideAccepted
	if !writing && !c.spliced.Load() {
		return false
	}
	info, ok := q.probe.tcp(c.rawLocked())
	if !ok {
		return false
	}
	now, changed := c.gov.clock.now(), false
	if c.spliced.Load() {
		if at := now - int64(info.recvMs)*1e6; at > c.lastRead.Load() {
			c.lastRead.Store(at)
			changed = true
		}
	}
	if info.acked > c.acked { // the peer takes what we send, if slowly
		c.acked = info.acked
		c.lastWrite.Store(now)
		changed = true
	}
	return changed
}

// Shut starts ending the connection for a reason, as a verdict would.
func (c *Conn) Shut(r policy.Reason) {
	c.mu.Lock()
	var after func()
	if !c.closed && c.ending.Load() == 0 {
		after = c.endLocked(r)
	}
	c.mu.Unlock()
	if after != nil {
		after()
	}
}

// shutIdle is Shut for a connection that is still idle.
func (c *Conn) shutIdle(r policy.Reason) bool {
	c.mu.Lock()
	ok := !c.closed && c.ending.Load() == 0 && restful(c.Phase())
	var after func()
	if ok {
		after = c.endLocked(r)
	}
	c.mu.Unlock()
	if after != nil {
		after()
	}
	return ok
}

// endLocked decides to end the connection: from now on exactly one of two
// things happens, its owner closes it or a byte that was there before wins
// (reclaim). It returns what the caller must do without mu.
func (c *Conn) endLocked(r policy.Reason) (after func()) {
	return c.endAtLocked(c.gov.clock.now(), r)
}

// endAtLocked is endLocked for a decision made at now, which may be a little
// ago: it is the time that the books have the end at, so that a replay of the
// decision has it too.
func (c *Conn) endAtLocked(now int64, r policy.Reason) (after func()) {
	if c.sleeper != nil {
		return c.endParkedLocked(r, now)
	}
	p := c.Phase()
	c.ending.Store(1 + uint32(r))
	c.countSpareLocked()
	c.endPhase, c.endIdle = p, time.Duration(max(now-c.baseLocked(), 0))
	c.scheduleLocked(now + c.graceLocked())
	if f := c.ender; f != nil && restful(p) {
		c.ender = nil
		return func() { f(r) }
	}
	c.inner.SetReadDeadline(longAgo)
	if !restful(p) && p != abi.PhaseUpstream && p != abi.PhaseBody && p != abi.PhaseHeader {
		c.inner.SetWriteDeadline(longAgo)
	}
	return nil
}

// reclaim is called by a Read that the end of an idle connection interrupted.
// Bytes that are there after all win: the decision is taken back. A client's
// request that reached this machine before its deadline passed is not lost.
func (c *Conn) reclaim(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending.Load() == 0 || c.closed || c.side != sideAccepted || c.endPhase != abi.PhaseIdle {
		return 0
	}
	n := readNow(c.inner, p)
	if n == 0 {
		return 0
	}
	c.reviveLocked()
	now := c.gov.clock.now()
	c.bytesIn.Add(uint64(n))
	c.lastRead.Store(now)
	c.gaps.end = now
	c.setPhaseLocked(abi.PhaseHeader, now)
	return n
}
