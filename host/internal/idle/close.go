package idle

import (
	"net/netip"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// Close closes the connection. One that the host ended while idle is half
// closed first and lingers in the wheel, without a goroutine, so that bytes
// which crossed the FIN do not meet a reset.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.uncountSpareLocked()
	now := c.gov.clock.now()
	end := c.endRecordLocked(now)
	if c.account.wantsClose() && c.admitted {
		c.askCloseLocked(now)
	}
	c.bookEndLocked(end, now)
	if t := c.account.taping(); t != nil {
		c.tellLocked(t, trace.Record{
			Kind: trace.KindClose, Time: now, Phase: end.Phase, Reason: end.Reason, Cut: end.Cut,
			Since: int64(end.Idle), BytesIn: end.BytesIn, BytesOut: end.BytesOut,
		})
	}
	c.unparkLocked()
	if c.polled {
		c.gov.poller.Load().forget(c)
	}
	var err error
	if c.lingersLocked() {
		c.linger = true
		c.scheduleLocked(now + int64(c.gov.cfg.Linger))
	} else {
		c.shard().cancel(&c.entry)
		end.Unread = unread(c.inner)
		err = c.inner.Close()
		c.freedLocked()
	}
	a := c.account
	c.uncountLocked(a)
	c.mu.Unlock()
	c.gov.cfg.Observer.Ended(end)
	c.gov.left(c, a)
	return err
}

// Answered says that the last answer and the end behind it have been written: the
// host only waits for what the client may still be sending. Where descriptors are
// short it does not wait, unless closing would reset the connection.
func (c *Conn) Answered() {
	c.mu.Lock()
	c.marks.set(markAnswered, true)
	c.countSpareLocked()
	now := !c.closed && c.gov.Crowded() && unread(c.inner) == 0
	c.mu.Unlock()
	if now {
		c.Close()
	}
}

// askCloseLocked tells the policy of the end. Where a question is pending, its
// answer comes first: on_close is the last that a policy hears of a connection,
// with the bytes that it has left on it.
func (c *Conn) askCloseLocked(now int64) {
	q := c.gov.asks.Get().(*question)
	c.fillLocked(q, abi.KindClose, c.baseLocked(), now)
	if c.pending != nil {
		c.pending.close = q
		return
	}
	c.putCloseLocked(c.account, q)
}

func (c *Conn) putCloseLocked(a *Account, q *question) {
	q.ask.Reply = noReply{}
	a.Policy.Decide(&q.ask)
	c.gov.asks.Put(q)
}

// noReply is the Replier of on_close.
type noReply struct{}

func (noReply) Answered(*policy.Ask, policy.Verdict) {}

// lingersLocked half closes a connection that the host ended while idle and
// reports whether that worked. Where descriptors are short, none lingers.
func (c *Conn) lingersLocked() bool {
	if c.gov.Crowded() || c.ending.Load() == 0 || !restful(c.endPhase) || c.side != sideAccepted || c.peerGone || c.gov.cfg.Linger < 0 {
		return false
	}
	return c.closeWriteLocked() == nil
}

// endLinger closes for good and counts bytes that came too late.
func (c *Conn) endLinger() {
	c.mu.Lock()
	a, client := c.account, c.client
	c.linger = false
	late := unread(c.inner) > 0
	c.inner.Close()
	c.freedLocked()
	c.mu.Unlock()
	if late {
		c.gov.cfg.Observer.Late(a, client, c.gov.cfg.Linger, true)
	}
}

func (c *Conn) endRecordLocked(now int64) *End {
	end := &End{
		Account: c.account, ID: c.id, Side: c.side, Protocol: c.protocol,
		Phase: c.Phase(), Reason: c.endReasonLocked(), Verdict: c.verdict, Log: c.log, Peer: netip.AddrPortFrom(c.peer, c.peerPort), Client: c.client,
		Age: time.Duration(now - c.opened), Idle: time.Duration(max(now-c.baseLocked(), 0)),
		Deadline: c.deadline, Asks: c.asks, Requests: c.requests,
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
	}
	if c.ending.Load() != 0 {
		end.Phase, end.Idle = c.endPhase, c.endIdle
	}
	return end
}

func (c *Conn) endReasonLocked() policy.Reason {
	if r, ok := c.Ending(); ok {
		return r
	}
	switch {
	case c.failed:
		return policy.ReasonError
	case c.peerGone:
		return policy.ReasonPeer
	}
	return policy.ReasonLocal
}

// bookEndLocked books the gap that the end cuts short.
func (c *Conn) bookEndLocked(end *End, now int64) {
	b := c.account.Books
	if b == nil || !c.admitted {
		return
	}
	if c.gaps.open() && restful(end.Phase) {
		switch end.Reason {
		case policy.ReasonPolicy, policy.ReasonClamp, policy.ReasonDefault, policy.ReasonPressure:
			end.Cut = true
			b.Cut(c.client, c.route, policy.Millis(end.Idle), c.gov.clock.millis(c.decidedLocked(now)))
		default:
			b.Gone(c.client, c.route, policy.Millis(end.Idle))
		}
	}
	b.Closed(c.client)
}

// decidedLocked returns when the host has decided on the end that takes place at
// now, if its owner did not take longer than a step of the clock for it: the
// time that a replay has for both.
func (c *Conn) decidedLocked(now int64) int64 {
	if c.ending.Load() == 0 || !restful(c.Phase()) {
		return now
	}
	at := c.phaseStart + int64(c.endIdle)
	if at > now || now-at > c.gov.clock.step {
		return now
	}
	return at
}
