package idle

import (
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// restful reports whether nothing is under way in a phase, so that the
// connection may be ended with nobody hurt.
func restful(p policy.Phase) bool { return p == abi.PhaseIdle || p == abi.PhaseStreamIdle }

// SetPhase moves to a phase. A Read in phase Idle moves an accepted
// connection to Header by itself; the first bytes of an answer move one from
// Upstream to Write.
func (c *Conn) SetPhase(p policy.Phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.gov.clock.stamp()
	if restful(p) {
		now = c.gov.clock.now()
	}
	t := c.account.taping()
	c.findLocked(t)
	c.setPhaseLocked(p, now)
	c.tellPhaseLocked(t)
}

func (c *Conn) setPhaseLocked(p policy.Phase, now int64) {
	c.phase.Store(uint32(p))
	c.phaseStart = now
	c.stirred = -1
	c.phaseBytes = c.bytesIn.Load() + c.bytesOut.Load()
	c.phaseBlocked = c.blocked.Load()
	c.countSpareLocked()
	if c.ending.Load() == 0 && !c.closed {
		c.rescheduleLocked(now)
	}
}

// advance moves from one phase to the next unless somebody was faster.
func (c *Conn) advance(from, to policy.Phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if policy.Phase(c.phase.Load()) == from {
		t := c.account.taping()
		c.findLocked(t)
		c.setPhaseLocked(to, c.gov.clock.stamp())
		c.tellPhaseLocked(t)
	}
}

// Stir says that a client's request comes, as the first bytes that a Read gets
// after idling do: they win against an end that was decided meanwhile. The owner
// calls it where TLS, or the server, may have read them ahead, and before
// anything of the request can fail of that end. It is on the path of every
// request.
func (c *Conn) Stir() {
	if c.Phase() == abi.PhaseIdle {
		c.stir()
	}
}

func (c *Conn) stir() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.side != sideAccepted || c.Phase() != abi.PhaseIdle || c.protocol == abi.ProtocolHTTP2 || c.closed {
		return
	}
	if c.ending.Load() != 0 {
		c.reviveLocked()
	}
	now := c.gov.clock.now()
	c.gaps.end = now
	since := c.phaseStart
	c.setPhaseLocked(abi.PhaseHeader, now)
	c.stirred = since
}

// reviveLocked takes the decision to end an idle connection back.
func (c *Conn) reviveLocked() {
	c.ending.Store(0)
	c.stayLocked()
	c.countSpareLocked()
	c.extUntil = 0
	c.inner.SetReadDeadline(c.gov.clock.time(c.userRead))
}

// Begin says that a request, of a route class, begins: its header section is
// complete. It ends the idle gap and counts the request; body says whether
// content follows (phase Body, else Upstream; an HTTP/2 connection with other
// streams stays as it is). It returns false when the host has already decided
// to end the connection; a dialled one must then not be used.
func (c *Conn) Begin(route uint16, body bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending.Load() != 0 && c.side == sideDialled {
		return false
	}
	t := c.account.taping()
	c.findLocked(t)
	c.requests++
	c.inflight++
	now := c.gov.clock.stamp()
	came := c.endGapLocked()
	c.route = route
	if t != nil { // at once: questions about others are asked with the gap in the books
		c.tellBeginLocked(t, body, came, now)
	}
	if c.inflight == 1 {
		p := abi.PhaseUpstream
		if body && c.protocol != abi.ProtocolHTTP2 {
			p = abi.PhaseBody
		}
		c.setPhaseLocked(p, now)
	}
	return c.ending.Load() == 0
}

// endGapLocked books the gap that the request which begins has ended, under
// the route of the request before it: that is what was known while it lasted.
// It returns when the request came; -1: there was no gap.
func (c *Conn) endGapLocked() (came int64) {
	gap, came, ok := c.gaps.close(c.gov.clock.now)
	if !ok {
		return came
	}
	if c.account.Books != nil {
		c.account.Books.Returned(c.client, c.route, policy.Millis(gap))
	}
	if c.side == sideAccepted {
		c.gov.cfg.Observer.Reused(c.account, gap)
	}
	return came
}

// End says that a request ended. When it was the last in flight, the phase is
// Idle, or StreamIdle for HTTP/2.
func (c *Conn) End() {
	c.mu.Lock()
	after := c.endRequestLocked()
	c.mu.Unlock()
	if after != nil {
		after()
	}
}

// endRequestLocked returns what is to be done without mu, if anything.
func (c *Conn) endRequestLocked() (after func()) {
	t := c.account.taping()
	c.findLocked(t)
	if c.inflight > 0 {
		c.inflight--
	}
	if c.inflight > 0 {
		c.tellEndLocked(t, c.gov.clock.stamp())
		return nil
	}
	now := c.gov.clock.now()
	c.gaps.begin(now)
	p := abi.PhaseIdle
	if c.protocol == abi.ProtocolHTTP2 {
		p = abi.PhaseStreamIdle
	}
	c.setPhaseLocked(p, now)
	c.tellEndLocked(t, now)
	if c.leaving != 0 && c.ending.Load() == 0 {
		return c.endLocked(policy.Reason(c.leaving - 1))
	}
	return nil
}
