package idle

import (
	"net"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Admit assigns the connection to a (nil: the account it has) and asks its
// policy for the accept event. It moves to phase Idle. ErrRefused: close it.
// Another error says that it is closed already.
func (c *Conn) Admit(a *Account) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.side == sideAccepted && c.ending.Load() != 0: // it was evicted, or too slow
		return ErrRefused
	}
	if a != nil && a != c.account {
		c.resettleLocked(a)
	}
	c.admitted = true
	c.marks.set(markArriving, true)
	defer func() {
		c.marks.set(markArriving, false)
		c.countSpareLocked()
	}()
	now := c.gov.clock.now() // one time for all of it, as in a replay
	c.setPhaseLocked(abi.PhaseIdle, now)
	c.introduceLocked()
	c.greetLocked(now)
	if r, refused := c.refusedLocked(); refused {
		c.endLocked(r)
		return ErrRefused
	}
	if c.closed { // while it waited for room
		return net.ErrClosed
	}
	if !c.welcomeLocked(now) {
		c.endLocked(policy.ReasonPolicy)
		return ErrRefused
	}
	return nil
}

// Reassign moves a connection that was admitted to the account of nobody in
// particular to a, the tenant that its first request has named: with its
// counts, under a's law and policy, which is asked for the accept event. The
// phase stays what it is. ErrRefused: a is full or retired, or its policy does
// not want the connection, which stays where it was. Before Admit nobody is
// asked and nothing refused: a's law holds, no more.
func (c *Conn) Reassign(a *Account) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.account == a:
		return nil
	case !c.admitted:
		c.resettleLocked(a)
		return nil
	}
	a.open.Add(1)
	full := c.side == sideAccepted && (c.tenantFullLocked(a) || c.tenantCrowdedLocked(a))
	if full || c.closed || c.account == a { // mu was not held all the time
		a.open.Add(-1)
		switch {
		case c.closed:
			return net.ErrClosed
		case c.account == a:
			return nil
		}
		return ErrRefused
	}
	old, counted := c.account, c.marks.has(markCounted)
	c.marks.set(markCounted, false)
	if !c.changeHandsLocked(a) {
		c.uncountLocked(a)
		c.settleLocked(old)
		if c.marks.set(markCounted, counted); !counted {
			c.countLocked(0) // old may have begun to, meanwhile
		}
		a.open.Add(-1)
		return ErrRefused
	}
	old.open.Add(-1)
	if counted {
		c.gov.clients.leave(old, c.client)
	}
	if old.Books != nil {
		old.Books.Closed(c.client)
	}
	return nil
}

// changeHandsLocked puts the connection under a and reports whether a takes it.
func (c *Conn) changeHandsLocked(a *Account) bool {
	c.tellLeavingLocked()
	c.settleLocked(a)
	c.asks, c.log, c.state, c.deadline = 0, false, [abi.StateSize]uint8{}, 0
	c.gaps, c.route = noGaps(), 0
	if c.side == sideAccepted && (a.Retired() || !c.countLocked(a.law.Load().limits.ClientConnections)) {
		return false
	}
	now := c.gov.clock.now()
	c.introduceLocked()
	c.greetLocked(now)
	if c.welcomeLocked(now) {
		return true
	}
	c.tellLeavingLocked()
	if a.Books != nil {
		a.Books.Closed(c.client)
	}
	return false
}

// resettleLocked is for a connection that nobody was asked about yet.
func (c *Conn) resettleLocked(a *Account) {
	c.account.open.Add(-1)
	a.open.Add(1)
	c.settleLocked(a)
	c.soonerLocked()
}

// settleLocked puts the connection on a's list and under a's law. Whether a is
// retired, and counts its clients, is asked afterwards: who changes that goes
// through the list then.
func (c *Conn) settleLocked(a *Account) {
	c.uncountSpareLocked()
	c.account.leave(c)
	c.gov.ranking.add(c.account.claimed(), -1)
	a.enter(c)
	c.gov.ranking.add(a.claimed(), 1)
	c.account, c.extUntil, c.taped = a, 0, tapeUnasked
	c.pending = nil // its answer would be another policy's
	c.setLeasesLocked(a.law.Load())
	c.countSpareLocked()
	if !c.gov.draining.Load() {
		c.leaving = 0 // it is only the account that was retired
	}
}

// greetLocked enters the connection into the books, as of now.
func (c *Conn) greetLocked(now int64) {
	a := c.account
	if a.Books == nil {
		return
	}
	ms, returned := a.Books.Opened(c.client, c.gov.clock.millis(now))
	if !returned {
		return
	}
	since := time.Duration(ms) * time.Millisecond
	c.gov.cfg.Observer.Returned(a, c.client, since)
	if a.Books.Late(ms) {
		c.gov.cfg.Observer.Late(a, c.client, since, false)
	}
}

// welcomeLocked asks the policy for the accept event and reports whether it
// takes the connection. One that has yet to answer takes it for now.
func (c *Conn) welcomeLocked(now int64) bool {
	q := c.gov.asks.Get().(*question)
	defer c.gov.asks.Put(q)
	p, v, _ := c.askLocked(q, abi.KindAccept, now)
	if c.pending != p && !c.acceptLocked(p, v) {
		return false
	}
	c.soonerLocked()
	return true
}

// soonerLocked makes sure that the shard looks as soon as a new law has it,
// unless the end is decided and has a time of its own.
func (c *Conn) soonerLocked() {
	if c.ending.Load() == 0 {
		c.rescheduleLocked(c.gov.clock.now())
	}
}
