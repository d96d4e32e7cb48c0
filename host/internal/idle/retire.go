package idle

import (
	"context"
	"time"

	"idlehost/host/internal/policy"
)

// Drain ends all accepted connections: idle ones at once and politely, the
// others when their request has ended. It returns when none is left or ctx is
// done, with the number that remains.
func (g *Governor) Drain(ctx context.Context) (left int) {
	g.draining.Store(true)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		g.Each(func(c *Conn) bool {
			c.drain(nil, policy.ReasonDrain)
			return true
		})
		if g.accepted.Load() == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return int(g.accepted.Load())
		case <-tick.C:
		}
	}
}

// Retire ends the account's connections as Drain does all, for a reason, and
// lets no client in any more. Those to upstreams end when idle. It waits for
// none and returns how many are left: the caller calls it again until that is
// 0 or patience is over, and then shuts what is left of ConnsAfter.
func (a *Account) Retire(r policy.Reason) (left int) {
	a.mu.Lock()
	a.retired = true
	a.mu.Unlock()
	for _, c := range a.snapshot() {
		c.drain(a, r)
	}
	return a.Open()
}

// drain ends the connection if nothing is under way, else at the end of the
// last request. a, if not nil, is whose it must be; then one that was dialled
// goes if it is idle.
func (c *Conn) drain(a *Account, r policy.Reason) {
	if c.side != sideAccepted && a == nil {
		return
	}
	c.mu.Lock()
	if a != nil && c.account != a {
		c.mu.Unlock()
		return
	}
	if c.side == sideAccepted {
		c.leaving = 1 + uint8(r)
	}
	idle := c.inflight == 0 && restful(c.Phase())
	c.mu.Unlock()
	if idle {
		c.shutIdle(r)
	}
}
