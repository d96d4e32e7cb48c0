package idle

import (
	"idlehost/host/internal/policy"
)

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
		return policy.ReasonPressure, true
	}
	return policy.ReasonPressure, c.tenantFullLocked(a) || c.hostFullLocked()
}

// tenantFullLocked reports whether a, with the connection, holds more than it
// may and has none to give up.
func (c *Conn) tenantFullLocked(a *Account) bool {
	limit := a.law.Load().limits.Connections
	return limit > 0 && a.open.Load() > int64(limit) && !c.makeRoomLocked(a)
}

// hostFullLocked is the same for all accounts together.
func (c *Conn) hostFullLocked() bool {
	limit := c.gov.cfg.Limit
	return limit > 0 && c.gov.accepted.Load() > int64(limit) && !c.makeRoomLocked(nil)
}

// makeRoomLocked evicts without c.mu: two connections must never hold each
// other's.
func (c *Conn) makeRoomLocked(a *Account) bool {
	c.mu.Unlock()
	defer c.mu.Lock()
	return c.gov.evict(a, c)
}

// evict ends an idle connection of a's (nil: of any account's) for one that
// comes, and reports whether there was one. It is the one that has been idle
// longest among a sample, as nginx and ATS have it; sampling keeps no order
// while nobody is evicted (Redis does the same). Where the host is full, the
// account with most connections pays: one that fills the host shuts no other
// out of it.
func (g *Governor) evict(a *Account, comes *Conn) bool {
	var victim *Conn
	var longest, most int64
	now := g.clock.now()
	for _, c := range g.candidates(a) {
		if c == comes {
			continue
		}
		owner, idle := c.evictable(now)
		if owner == nil || a != nil && owner != a {
			continue
		}
		open := owner.open.Load()
		if a != nil {
			open = 0
		}
		if victim == nil || open > most || open == most && idle > longest {
			victim, longest, most = c, idle, open
		}
	}
	return victim != nil && victim.shutIdle(policy.ReasonPressure)
}

// candidates is a sample of the connections of a, or of the host's.
func (g *Governor) candidates(a *Account) (list []*Conn) {
	const sample = 64
	if a != nil {
		return a.sample(sample, g.pick)
	}
	from := g.pick(len(g.shards))
	for i := range g.shards {
		list = append(list, g.shards[(from+i)%len(g.shards)].sample(sample, g.pick)...)
	}
	return list
}

// evictable returns the account and how long the connection has been idle; nil
// if it may not give way.
func (c *Conn) evictable(now int64) (a *Account, idle int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.side != sideAccepted || !c.admitted || c.closed || c.ending.Load() != 0 || !restful(c.Phase()) {
		return nil, 0
	}
	return c.account, now - c.phaseStart
}
