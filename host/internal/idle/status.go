package idle

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Status is what can be told of an open connection.
type Status struct {
	ID        uint64
	Side      policy.Side
	Protocol  policy.Protocol
	Phase     policy.Phase // as reported
	Peer      netip.AddrPort
	Client    uint64    // the peer's pseudonym; 0: it has no address
	Opened    time.Time // wall clock
	Age, Idle time.Duration
	// Due is when its policy is asked next, from now; 0 while its answer is
	// waited for; negative: nothing is due.
	Due      time.Duration
	Asks     uint32
	Requests uint32
	BytesIn  uint64
	BytesOut uint64
	Parked   bool
	Role     policy.Role // of the version that answered last
}

// Status fills s. It allocates nothing.
func (c *Conn) Status(s *Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.gov.clock.now()
	*s = Status{
		ID: c.id, Side: c.side, Protocol: c.protocol, Phase: c.ReportedPhase(),
		Peer: netip.AddrPortFrom(c.peer, c.peerPort), Client: c.client,
		Opened: time.UnixMilli(c.gov.clock.millis(c.opened)), Age: time.Duration(now - c.opened),
		Idle: time.Duration(max(now-c.baseLocked(), 0)), Due: c.askDueLocked(now),
		Asks: c.asks, Requests: c.requests, BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Parked: c.sleeper != nil, Role: c.verdict.Role,
	}
}

// askDueLocked is how long it takes until the policy is asked if nothing moves;
// negative: it will not be.
func (c *Conn) askDueLocked(now int64) time.Duration {
	if !c.admitted || c.closed || c.ending.Load() != 0 {
		return -1
	}
	if c.pending != nil {
		return 0
	}
	p := c.Phase()
	if p == abi.PhaseWrite && c.side == sideAccepted && c.writing.Load() == 0 {
		return -1 // as in dueLocked
	}
	at := c.leaseLocked(c.account.law.Load(), p, c.baseLocked())
	if at == never {
		return -1
	}
	return time.Duration(max(at-now, 0))
}

// ConnsAfter returns up to n open connections of accounts whose ID is larger
// than id, in the order of their IDs; n 0: all of them. It costs what it
// returns, whatever the accounts hold. nil accounts hold nothing.
func ConnsAfter(id uint64, n int, accounts ...*Account) []*Conn {
	if n <= 0 {
		n = math.MaxInt
	}
	var list []*Conn
	for _, a := range accounts {
		if a != nil {
			list = a.after(list, id, n)
		}
	}
	slices.SortFunc(list, func(x, y *Conn) int { return cmp.Compare(x.id, y.id) })
	list = slices.Compact(list) // one that moved between two of them is in both
	return list[:min(n, len(list))]
}
