package idle

import (
	"math"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// cause is why a deadline is the earliest.
type cause uint8

const (
	causeNone     cause = iota
	causeLease          // ask
	causeProgress       // below the minimum rate, or over the maximum time
	causeCeiling        // idle for as long as the operator allows
	causePark           // quiet for long enough to be parked
	causeBare           // parked for long enough to be stripped
	causeLeaving        // nothing is under way any more on a connection that is to go then
)

const never = math.MaxInt64

// recheck is when a connection that nothing is due for is looked at again;
// every connection is in the wheel, which is also the list of them.
const recheck = int64(time.Hour)

// baseLocked is when the current idle period began: the last use, as the
// phase defines it.
func (c *Conn) baseLocked() int64 {
	read, write := c.lastRead.Load(), c.lastWrite.Load()
	switch p := policy.Phase(c.phase.Load()); {
	case restful(p), p == abi.PhaseUpstream:
		return c.phaseStart
	case p == abi.PhaseTunnel, p == abi.PhaseHalfClosed:
		return max(c.phaseStart, read, write)
	case (p == abi.PhaseWrite) == (c.side == sideAccepted):
		// bytes go out: a response to a client, a request to an upstream
		return max(c.phaseStart, write)
	default:
		return max(c.phaseStart, read)
	}
}

// dueLocked is the earliest deadline of the current phase. Without exact it
// may be too early, but costs no system call.
func (c *Conn) dueLocked(now int64, exact bool) (at int64, why cause) {
	p := policy.Phase(c.phase.Load())
	l := c.account.law.Load()
	law := &l.timeouts[p]
	base := c.baseLocked()
	if p == abi.PhaseWrite && c.side == sideAccepted && c.writing.Load() == 0 {
		// Nothing is blocked on the client: it is the upstream that is
		// silent, which is for the dialled connection's deadlines. A write
		// that blocks from now on is found at the next look.
		at, why = now+recheck, causeNone
		if law.Idle > 0 {
			at = now + int64(law.Idle)
		}
		if law.Max > 0 && c.phaseStart+int64(law.Max) <= at {
			at, why = c.phaseStart+int64(law.Max), causeProgress
		}
		return at, why
	}
	if c.leaving != 0 && c.inflight == 0 && restful(p) {
		return c.phaseStart, causeLeaving
	}
	at, why = c.leaseLocked(l, p, base), causeLease
	earlier := func(t int64, w cause) {
		if t < at {
			at, why = t, w
		}
	}
	if law.MinRate > 0 {
		earned := int64(0)
		if exact {
			earned = int64(float64(c.progressLocked()) / float64(law.MinRate) * 1e9)
		}
		earlier(c.rateStartLocked(p)+int64(law.Grace)+earned, causeProgress)
	}
	if law.Max > 0 {
		earlier(c.phaseStart+int64(law.Max), causeProgress)
	}
	if l.limits.Ceiling > 0 && c.admitted {
		earlier(base+int64(l.limits.Ceiling), causeCeiling)
	}
	earlier(c.parkDueLocked(p, base), causePark)
	earlier(c.bareDueLocked(), causeBare)
	if at == never {
		return now + recheck, causeNone
	}
	return at, why
}

// leaseLocked is when the policy is to be asked; never without a lease.
func (c *Conn) leaseLocked(l *law, p policy.Phase, base int64) int64 {
	if c.extUntil > 0 && c.extBase == base {
		return c.extUntil
	}
	ms := c.leases[p]
	if !c.leased {
		ms = l.leases[p]
	}
	if ms == 0 {
		return never
	}
	lease := int64(ms) * 1e6
	if !c.leased && l.timeouts[p].Idle > 0 {
		lease = int64(l.timeouts[p].Idle) // exact, below a millisecond too
	}
	if c.hint > 0 && p == abi.PhaseIdle {
		lease = min(lease, int64(c.hint)*1e6)
	}
	return base + lease
}

// rateStartLocked is where the time that a rate is counted over would have
// begun had it run without a break: the phase's start, but for a response the
// time in which a write waited for the client.
func (c *Conn) rateStartLocked(p policy.Phase) int64 {
	if p == abi.PhaseWrite && c.side == sideAccepted {
		return c.writeStart.Load() - (c.blocked.Load() - c.phaseBlocked)
	}
	return c.phaseStart
}

// progressLocked is how many bytes the phase has moved. What still waits in
// this machine's send buffer has not: filling it is no merit of the peer's.
func (c *Conn) progressLocked() uint64 {
	moved := c.bytesIn.Load() + c.bytesOut.Load() - c.phaseBytes
	if c.Phase() == abi.PhaseWrite && c.side == sideAccepted {
		moved -= min(moved, unsent(c.inner))
	}
	return moved
}

// rescheduleLocked makes sure the shard looks in time. A look that comes too
// early is harmless and moves itself, so a deadline that moved away costs
// nothing here.
func (c *Conn) rescheduleLocked(now int64) {
	if at, _ := c.dueLocked(now, false); at < c.armed {
		c.scheduleLocked(at)
	}
}

// scheduleLocked sets when the shard looks next.
func (c *Conn) scheduleLocked(at int64) {
	c.armed = at
	c.shard().schedule(&c.entry, at)
}
