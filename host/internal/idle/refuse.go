package idle

import "idlehost/host/internal/policy"

// refusedLocked reports why an accepted connection may not stay, before its
// policy is asked. It makes room under the limits by ending an idle connection;
// c.mu is let go of for that. A client that has as many as it may have does
// not make room for itself: which of its own it still needs is its to know.
func (c *Conn) refusedLocked() (r policy.Reason, refused bool) {
	if c.side != sideAccepted {
		return 0, false
	}
	a := c.account
	switch {
	case a.Retired():
		return policy.ReasonDrain, true
	case !c.countLocked(a.law.Load().limits.ClientConnections):
		c.gov.refusals[CauseTenant].Add(1)
		return policy.ReasonPressure, true
	case c.marks.has(markUnwelcome):
		c.gov.refusals[c.gov.shortOf()].Add(1)
		return policy.ReasonPressure, true
	}
	return policy.ReasonPressure, c.tenantFullLocked(a) || c.hostFullLocked()
}

// tenantFullLocked reports whether a, with the connection, holds more than it
// may and has none to give up.
func (c *Conn) tenantFullLocked(a *Account) bool {
	limit := a.law.Load().limits.Connections
	if limit == 0 || a.open.Load() <= int64(limit) {
		return false
	}
	return !c.evictLocked(want{of: a.claimed(), sides: acceptedSide, cause: CauseTenant})
}

// hostFullLocked is the same for all accounts together.
func (c *Conn) hostFullLocked() bool {
	limit := c.gov.cfg.Limit
	if limit == 0 || c.gov.accepted.Load() <= int64(limit) {
		return false
	}
	return !c.evictLocked(want{by: c.account.claimed(), sides: acceptedSide, cause: CauseConnections})
}

// tenantCrowdedLocked reports whether a connection that was nobody's may not
// become a's: descriptors are short, and a holds its share and has none to give
// up.
func (c *Conn) tenantCrowdedLocked(a *Account) bool {
	r := c.gov.capacity.Load()
	if r == nil || c.gov.sockets.Load() < r.common[sideAccepted] || c.gov.ranking.modest(a.claimed(), r.most[sideAccepted]) {
		return false
	}
	return !c.evictLocked(want{of: a.claimed(), sides: bothSides, cause: CauseDescriptors})
}

// evictLocked evicts without c.mu, and counts the connection as refused where
// there is nothing to evict.
func (c *Conn) evictLocked(w want) bool {
	c.mu.Unlock()
	defer c.mu.Lock()
	ok := c.gov.evict(w)
	if !ok {
		c.gov.refusals[w.cause].Add(1)
	}
	return ok
}
