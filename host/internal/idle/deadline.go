package idle

import (
	"sync/atomic"
	"time"
)

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// stamp stores the coarse time if it moved: a store to a line that another
// core reads costs more than a compare.
func stamp(t *atomic.Int64, k *clock) {
	if now := k.stamp(); t.Load() != now {
		t.Store(now)
	}
}

// userDeadline is a deadline that the owner set, as clock time; 0: none.
// Like package net, it counts from when it was set: later steps of the wall
// clock do not reach it.
type userDeadline int64

func (k *clock) userDeadline(t time.Time) userDeadline {
	if t.IsZero() {
		return 0
	}
	if d := t.Sub(k.base); d != 0 {
		return userDeadline(d)
	}
	return -1
}

// time is the inverse of userDeadline.
func (k *clock) time(d userDeadline) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return k.base.Add(time.Duration(d))
}

// SetDeadline sets the owner's read and write deadlines. They are kept apart
// from the host's: the earlier is in force, neither widens the other.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the owner's read deadline. Clearing one that is not
// set, as net/http does twice a request, costs no system call or timer.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() && c.userRead == 0 {
		return nil
	}
	c.userRead = c.gov.clock.userDeadline(t)
	if c.ending.Load() != 0 || c.doze.Load() == dozeAsked {
		return nil // the host's has passed already
	}
	return c.inner.SetReadDeadline(t)
}

// SetWriteDeadline sets the owner's write deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() && c.userWrite == 0 {
		return nil
	}
	c.userWrite = c.gov.clock.userDeadline(t)
	if c.ending.Load() != 0 && !restful(c.endPhase) {
		return nil
	}
	return c.inner.SetWriteDeadline(t)
}
