package idle

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// evictGrace is how long the owner of an evicted connection has to close it:
// somebody waits for its descriptor.
const evictGrace = 250 * time.Millisecond

// want says which connection is to be evicted: the one that has been idle
// longest, of the tenant that holds most and has an idle one. So a tenant that
// fills the host does not shut out the others.
type want struct {
	by    *claim // room is made for this one: no claim that holds less gives up a connection. nil: any may
	of    *claim // only this one gives up a connection; nil: by the order above
	share int64  // no claim that holds less gives up a connection; 0: any may
	sides []policy.Side
	cause Cause
}

// The sides of connections that may have to go.
var (
	acceptedSide = []policy.Side{sideAccepted}
	bothSides    = []policy.Side{sideAccepted, sideDialled}
)

// evict ends a connection and reports whether there was one. No Conn's mu may
// be held: two connections must never hold each other's.
func (g *Governor) evict(w want) bool {
	if w.of != nil {
		return g.evictOf(w.of, w)
	}
	floor := w.share - 1
	if w.by != nil {
		floor = max(floor, g.ranking.held(w.by))
	}
	for _, cl := range g.ranking.largest(floor, func(cl *claim) bool { return cl.hasSpare(w.sides) }) {
		if g.evictOf(cl, w) {
			return true
		}
	}
	return w.by != nil && g.ranking.held(w.by) >= w.share && g.evictOf(w.by, w)
}

func (cl *claim) hasSpare(sides []policy.Side) bool {
	for _, s := range sides {
		if cl.spare[s].Load() > 0 {
			return true
		}
	}
	return false
}

// evictOf evicts a connection of one claim.
func (g *Governor) evictOf(cl *claim, w want) bool {
	for range maxTried { // somebody else may be faster
		var oldest candidate
		for _, s := range w.sides {
			if x := cl.candidates[s].oldest(cl, s); x.conn != nil && (oldest.conn == nil || x.before(oldest)) {
				oldest = x
			}
		}
		if oldest.conn == nil {
			return false
		}
		cl.candidates[oldest.conn.side].remove(oldest)
		if oldest.conn.evict(oldest.since) {
			g.evictions[w.cause].Add(1)
			return true
		}
	}
	return false
}

// introductionTime is how long a new connection is spared whose tenant is not
// known yet: most clients name it at once, and it may be the host that is slow
// to read.
const introductionTime = 20 * time.Millisecond

// introducingLocked reports whether the tenant of a connection is not known yet,
// and the connection is too new to be evicted for that.
func (c *Conn) introducingLocked() bool {
	unknown := !c.admitted || c.account.Unknown && c.requests == 0
	return unknown && c.gov.clock.now()-c.opened < int64(introductionTime)
}

// evict ends the connection if it may still be evicted, and has not been used
// since.
func (c *Conn) evict(since int64) bool {
	c.mu.Lock()
	ok := c.phaseStart == since && c.spareLocked()
	var after func()
	if ok {
		c.marks.set(markEvicted, true)
		c.gov.evicting.Add(1)
		if c.marks.has(markAnswered) { // its owner sleeps
			after = func() { c.Close() }
		} else {
			after = c.endLocked(policy.ReasonPressure)
			ok = c.ending.Load() != 0 // else bytes had come, and it is being woken
		}
	}
	c.mu.Unlock()
	if after != nil {
		after()
	}
	return ok
}

// stayLocked says that an evicted connection stays after all, or has given its
// descriptor back.
func (c *Conn) stayLocked() {
	if c.marks.has(markEvicted) {
		c.marks.set(markEvicted, false)
		c.gov.evicting.Add(-1)
	}
}

// graceLocked is how long the owner has to close a connection that the host
// ends.
func (c *Conn) graceLocked() int64 {
	if c.marks.has(markEvicted) {
		return int64(evictGrace)
	}
	if d := c.account.law.Load().timeouts[abi.PhaseDraining].Max; d > 0 {
		return int64(d)
	}
	return int64(endGrace)
}

// candidates lists the connections of a claim that could be evicted when the
// list was made, longest idle first. All that have become idle since have been
// idle for a shorter time, so the order holds until the list is used up: it
// costs nothing while nothing is evicted, and one walk over a claim's
// connections serves as many evictions. Handshakes come last.
type candidates struct {
	mu   sync.Mutex // guards the following; the mu of an Account or a Conn may be taken
	list []candidate
	at   int64 // when the list was made
	from int   // into the connections, where not all are looked at
}

type candidate struct {
	conn  *Conn
	since int64
	begun bool // a handshake, or a header section, is under way: idle ones go first
}

// Where few of many connections could be evicted, so many are looked at rather
// than all, and the longest idle of those is taken.
const (
	lookedAtOnce = 1024
	rareSpare    = 64
)

// oldest returns the one to evict next; without a conn: none was found.
func (k *candidates) oldest(cl *claim, side policy.Side) candidate {
	k.mu.Lock()
	defer k.mu.Unlock()
	for filled := range 2 {
		for len(k.list) > 0 {
			x := k.list[0]
			if x.begun && filled == 0 && x.conn.gov.clock.now()-k.at >= int64(introductionTime) {
				break // others may be idle by now
			}
			if since, _ := x.conn.idleSince(cl, side); since == x.since {
				return x
			}
			k.list[0] = candidate{}
			k.list = k.list[1:]
		}
		if cl.spare[side].Load() == 0 {
			break
		}
		k.fillLocked(cl, side)
	}
	return candidate{}
}

// remove takes the oldest off the list, if it still is.
func (k *candidates) remove(x candidate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.list) > 0 && k.list[0] == x {
		k.list[0] = candidate{}
		k.list = k.list[1:]
	}
}

func (k *candidates) fillLocked(cl *claim, side policy.Side) {
	k.list = k.list[:0:0]
	var conns []*Conn
	for _, a := range cl.accounts {
		conns = append(conns, a.snapshot()...)
	}
	if many := int64(len(conns)); many > lookedAtOnce && cl.spare[side].Load() < many/rareSpare {
		k.from %= len(conns)
		conns = append(conns[k.from:], conns[:k.from]...)[:lookedAtOnce]
		k.from += lookedAtOnce
	}
	for _, c := range conns {
		k.at = c.gov.clock.now()
		if since, begun := c.idleSince(cl, side); since != busy {
			k.list = append(k.list, candidate{c, since, begun})
		}
	}
	slices.SortFunc(k.list, func(x, y candidate) int {
		switch {
		case x.before(y):
			return -1
		case y.before(x):
			return 1
		}
		return cmp.Compare(x.conn.id, y.conn.id)
	})
}

// before reports whether x is evicted before y.
func (x candidate) before(y candidate) bool {
	if x.begun != y.begun {
		return y.begun
	}
	return x.since < y.since
}

// forget gives the memory of connections back that have ended.
func (k *candidates) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = nil
}

// busy is what idleSince returns of a connection that may not be evicted.
const busy = -1

// idleSince returns since when the connection could have been evicted, and
// whether its client has begun to name its tenant. A connection whose mu is held
// counts as busy: it is not waited for.
func (c *Conn) idleSince(cl *claim, side policy.Side) (since int64, begun bool) {
	if c.side != side || c.ending.Load() != 0 || !c.mu.TryLock() {
		return busy, false
	}
	defer c.mu.Unlock()
	if c.account.claimed() != cl || !c.spareLocked() || c.introducingLocked() {
		return busy, false
	}
	begun = !c.admitted && c.bytesIn.Load() > 0 || c.Phase() == abi.PhaseHeader
	return c.phaseStart, begun
}
