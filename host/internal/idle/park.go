package idle

import (
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// ErrPark is what a Read returns while its owner dozes, when the Governor
// wants the connection parked: no byte was read. Its Timeout and Temporary are
// true, so crypto/tls is none the worse for it.
var ErrPark error = parkError{}

type parkError struct{}

func (parkError) Error() string   { return "quiet connection is to be parked" }
func (parkError) Timeout() bool   { return true }
func (parkError) Temporary() bool { return true }

// Sleeper is the owner of a parked connection. Exactly one of its methods is
// called, once, on a goroutine of the Governor's or of whoever answers for a
// policy: neither may block. Nobody is told when somebody else closes the
// connection, or Unpark was faster.
type Sleeper interface {
	// Wake says that there is something to read: bytes, an end, an error.
	Wake(c *Conn)
	// Finish says that the connection is to be closed: the host has decided
	// to end it, or the peer has with nothing left to be read (ReasonPeer).
	Finish(c *Conn, r policy.Reason)
}

// The states of Conn.doze.
const (
	dozeNever uint32 = iota // the owner does not park
	dozeAwake
	dozeReading // a Read blocks, and what it is for could do without it
	dozeAsked   // and it has been interrupted
)

// Doze says that the reader is about to block where its owner holds nothing of
// the connection's: after ParkAfter without a byte, in a phase without anything
// under way, the Read below returns ErrPark. It is on the path of every
// request: no lock after the first time.
func (c *Conn) Doze() {
	if c.doze.Load() == dozeNever {
		c.firstDoze()
		return
	}
	c.doze.Store(dozeReading)
}

// firstDoze has the shard look at the connection as at one that can park.
func (c *Conn) firstDoze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gov.cfg.ParkAfter > 0 && !c.watchableLocked() {
		return
	}
	c.doze.Store(dozeReading)
	if c.ending.Load() == 0 && !c.closed {
		c.rescheduleLocked(c.gov.clock.now())
	}
}

// Rouse ends Doze, after the Read has returned, with whatever result.
func (c *Conn) Rouse() {
	if c.doze.Swap(dozeAwake) != dozeAsked {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending.Load() == 0 {
		c.inner.SetReadDeadline(c.gov.clock.time(c.userRead))
	}
}

// asksToPark reports whether a failed Read was interrupted to park.
func (c *Conn) asksToPark(err error) bool {
	return c.doze.Load() == dozeAsked && c.ending.Load() == 0 && isTimeout(err)
}

// Park gives the connection to the Governor, who watches it without a
// goroutine. It returns false when the connection is closed or ending, or
// cannot be watched: then it is the caller's as before. The policy is asked
// about it as ever. Bytes that are there when it is to be ended win.
func (c *Conn) Park(s Sleeper) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.ending.Load() != 0 || c.sleeper != nil || !c.watchableLocked() {
		return false
	}
	c.lullLocked()
	c.sleeper = s
	if !c.gov.poller.Load().watch(c) {
		c.sleeper = nil
		return false
	}
	c.gov.parked.Add(1)
	now := c.gov.clock.now()
	c.parkAt = c.stripAtLocked(now)
	c.rescheduleLocked(now)
	return true
}

// Unpark takes a parked connection back. It returns false when it is not
// parked: a method of its Sleeper is called, or was.
func (c *Conn) Unpark() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unparkLocked() == nil {
		return false
	}
	c.dressLocked()
	return true
}

func (c *Conn) unparkLocked() Sleeper {
	s := c.sleeper
	if s == nil {
		return nil
	}
	c.sleeper = nil
	c.gov.parked.Add(-1)
	if c.bareLocked() {
		c.gov.stripped.Add(-1)
	}
	if c.ending.Load() == 0 && !c.closed {
		// It may want to sleep again without a change of phase that would
		// have the shard look.
		now := c.gov.clock.now()
		c.parkAt = now + int64(c.gov.cfg.ParkAfter)
		c.rescheduleLocked(now)
	}
	return s
}

// readyLocked is called by the poller: there is something to read, or the peer
// has hung up. It unlocks mu.
func (c *Conn) readyLocked(hungUp bool) {
	s := c.unparkLocked()
	gone := s != nil && hungUp && restful(c.Phase()) && unread(c.inner) == 0
	switch {
	case gone:
		c.peerGone = true
	case s != nil:
		c.dressLocked()
	}
	c.mu.Unlock()
	switch {
	case gone:
		s.Finish(c, policy.ReasonPeer)
	case s != nil:
		s.Wake(c)
	}
}

// endParkedLocked ends a parked connection, or wakes it where bytes are there.
func (c *Conn) endParkedLocked(r policy.Reason, now int64) (after func()) {
	s := c.unparkLocked()
	if unread(c.inner) > 0 {
		c.stayLocked()
		c.dressLocked()
		c.extUntil = 0
		c.scheduleLocked(now + int64(time.Second)) // what has been read by then moves it
		return func() { s.Wake(c) }
	}
	c.ending.Store(1 + uint32(r))
	c.countSpareLocked()
	c.endPhase, c.endIdle = c.Phase(), time.Duration(max(now-c.baseLocked(), 0))
	c.ender = nil
	c.scheduleLocked(now + c.graceLocked())
	return func() { s.Finish(c, r) }
}

// parkDueLocked is when the connection would be parked; never if it cannot.
func (c *Conn) parkDueLocked(p policy.Phase, base int64) int64 {
	if c.gov.poller.Load() == nil || c.doze.Load() == dozeNever || c.sleeper != nil {
		return never
	}
	switch p {
	case abi.PhaseIdle, abi.PhaseStreamIdle, abi.PhaseTunnel, abi.PhaseHalfClosed:
	case abi.PhaseHeader:
		if c.stirred < 0 {
			return never
		}
		base = c.lastRead.Load()
	default:
		return never
	}
	return max(base+int64(c.gov.cfg.ParkAfter), c.parkAt)
}

// interruptLocked has a dozing Read return ErrPark. An owner who does not doze
// holds something: it is asked again after a while.
func (c *Conn) interruptLocked(now int64) {
	c.parkAt = now + 10*int64(c.gov.cfg.ParkAfter)
	if c.doze.CompareAndSwap(dozeReading, dozeAsked) {
		c.inner.SetReadDeadline(longAgo)
	}
}

// lullLocked takes back what bytes below TLS have stirred up that were of no
// use above it: a session ticket, a key update. The connection has been idle
// since it was.
func (c *Conn) lullLocked() {
	if c.stirred < 0 || c.Phase() != abi.PhaseHeader {
		return
	}
	since := c.stirred
	c.setPhaseLocked(abi.PhaseIdle, since)
	c.tellPhaseLocked(c.account.taping()) // a question may have told of phase Header
	c.gaps.end = -1
}

// watchableLocked reports whether there is a poller for the connection. One
// without a descriptor, as a test has it, needs none.
func (c *Conn) watchableLocked() bool {
	if c.rawLocked() == nil {
		return false
	}
	c.gov.polling.Do(c.gov.startPoller)
	return c.gov.poller.Load() != nil
}

// startPoller is called when the first connection could park.
func (g *Governor) startPoller() {
	if g.cfg.ParkAfter < 0 {
		return
	}
	if p, err := newPoller(); err == nil {
		g.poller.Store(p)
	}
}

// Parks reports whether connections are parked, where the system can.
func (g *Governor) Parks() bool { return g.cfg.ParkAfter > 0 }

// Parked returns the number of parked connections.
func (g *Governor) Parked() int { return int(g.parked.Load()) }

// Stripped returns how many of them have only their descriptor left.
func (g *Governor) Stripped() int { return int(g.stripped.Load()) }
