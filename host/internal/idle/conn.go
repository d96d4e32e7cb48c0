package idle

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

const (
	sideAccepted = abi.SideAccepted
	sideDialled  = abi.SideDialled
)

// Conn is a governed connection. It wraps below TLS. There is one for every
// open connection, so its fields are ordered to leave no gaps: TestConnBudget.
type Conn struct {
	gov *Governor // immutable

	// inner changes while the connection is parked, under mu; who owns it
	// reads it without.
	inner net.Conn

	// guarded by mu; pointers come first, so that is all the collector reads
	account *Account
	entry   entry           // in shard's wheel; its own fields are the shard's
	leases  *leases         // of the law, or as the policy set them; never nil
	raw     syscall.RawConn // of inner, once somebody wanted it
	sleeper Sleeper         // of a parked connection; nil: it is not parked
	ender   func(policy.Reason)
	pending *pending // nil: no question is open

	// immutable
	id     uint64
	opened int64 // clock time, like every time here

	// guarded by mu; they stay what they are from Admit on
	peer   netip.Addr // with peerPort
	client uint64     // hash of peer; 0: there is none

	// hot: written by whoever reads and writes, read by the shard
	lastRead    atomic.Int64 // coarse
	lastWrite   atomic.Int64 // coarse; when a write began or made progress
	lastControl atomic.Int64 // 0: never
	bytesIn     atomic.Uint64
	bytesOut    atomic.Uint64
	writeStart  atomic.Int64  // coarse; when the last write began
	blocked     atomic.Int64  // nanoseconds spent in writes that did not return at once
	writing     atomic.Int32  // writes under way
	spliced     atomic.Bool   // bytes may pass that only the kernel counts
	phase       atomic.Uint32 // written under mu
	ending      atomic.Uint32 // 0, or 1 + the reason; written under mu
	doze        atomic.Uint32 // whether the owner could park

	mu       sync.Mutex // guards the following, but for what says immutable
	inflight uint32
	armed    int64 // no later than this the shard looks

	phaseStart   int64
	phaseBytes   uint64 // bytes both ways when the phase began
	phaseBlocked int64  // blocked when the phase began
	acked        uint64 // bytes the peer had acknowledged at the last look

	extBase  int64 // the idle period that extUntil belongs to
	extUntil int64
	deadline time.Duration // the last that passed
	verdict  policy.Verdict
	state    [abi.StateSize]uint8

	gaps gaps

	infoAt   int64 // when the kernel was asked last
	recvAt   int64 // when it had received data last, as of then
	rttUs    uint32
	rttVarUs uint32

	parkAt  int64 // not to be parked before; of a parked one, when to strip it
	stirred int64 // what phaseStart was when bytes began phase Header; -1: they did not
	endIdle time.Duration

	userRead  userDeadline
	userWrite userDeadline

	fd        int32 // 1 + the descriptor, once somebody wanted it
	asks      uint32
	requests  uint32
	hint      uint32 // milliseconds: the peer's own idle timeout; 0: not known
	route     uint16
	peerPort  uint16
	handshake uint8
	taped     uint8       // what the account's tape knows of it
	side      policy.Side // immutable
	protocol  policy.Protocol
	endPhase  policy.Phase
	leased    bool // the policy set the leases: they outlive a new law
	log       bool // a verdict asked for a decision line
	polled    bool // the poller knows the descriptor
	admitted  bool
	peerGone  bool // a read returned EOF or a reset
	failed    bool // an I/O error other than a timeout
	closed    bool
	linger    bool  // closed, waiting for what crossed the FIN
	leaving   uint8 // 0, or 1 + why it is to be ended at the end of the last request
	marks     marks
	proxied   bool // peer is not inner's
}

// shard returns the shard whose wheel holds the connection.
func (c *Conn) shard() *shard { return c.gov.shards[c.id%uint64(len(c.gov.shards))] }

// From returns the Conn below nc, unwrapping NetConn as crypto/tls has it;
// nil if there is none.
func From(nc net.Conn) *Conn {
	for nc != nil {
		if c, ok := nc.(*Conn); ok {
			return c
		}
		u, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = u.NetConn()
	}
	return nil
}

// ID is unique while the process runs.
func (c *Conn) ID() uint64 { return c.id }

// Account returns the tenant's account.
func (c *Conn) Account() *Account {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account
}

// Phase returns the current phase; from the decision to end the connection on
// the one that it was decided in, since a request may be faster.
func (c *Conn) Phase() policy.Phase { return policy.Phase(c.phase.Load()) }

// ReportedPhase is Phase, but Draining once the end is decided.
func (c *Conn) ReportedPhase() policy.Phase {
	if c.ending.Load() != 0 {
		return abi.PhaseDraining
	}
	return c.Phase()
}

// Side tells who opened the connection.
func (c *Conn) Side() policy.Side { return c.side }

// Protocol tells what is spoken.
func (c *Conn) Protocol() policy.Protocol {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.protocol
}

// SetProtocol says what is spoken.
func (c *Conn) SetProtocol(p policy.Protocol) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.protocol != p {
		c.protocol = p
		c.countSpareLocked()
		c.tellPhaseLocked(c.account.taping())
	}
}

// SetHandshake says what TLS handshake was made: 0 none, 1 full, 2 resumed.
func (c *Conn) SetHandshake(kind uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handshake != uint8(kind) {
		c.handshake = uint8(kind)
		c.tellPhaseLocked(c.account.taping())
	}
}

// Control says that a control frame was read: not use, but a sign of life.
func (c *Conn) Control() { c.lastControl.Store(max(c.gov.clock.stamp(), 1)) }

// SetHint caps the idle lease by what the peer announced (Keep-Alive:
// timeout=N of an upstream, RFC 2068 section 19.7.1.1). 0: no hint.
func (c *Conn) SetHint(d time.Duration) {
	var ms uint32
	if d > 0 {
		ms = max(policy.Millis(d), 1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hint != ms {
		c.hint = ms
		if t := c.account.taping(); t != nil {
			c.tellLocked(t, trace.Record{Kind: trace.KindHint, Time: c.gov.clock.now(), Since: int64(ms) * 1e6})
		}
		c.soonerLocked()
	}
}

// SetEnder says how the protocol wants an idle connection to be ended, when
// closing is not enough (HTTP/2: GOAWAY). f is called once, must not block,
// and leads to Close sooner or later. nil: closing is enough.
func (c *Conn) SetEnder(f func(policy.Reason)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ender = f
}

// Ending returns the reason when the host has decided to end the connection.
func (c *Conn) Ending() (policy.Reason, bool) {
	e := c.ending.Load()
	if e == 0 {
		return 0, false
	}
	return policy.Reason(e - 1), true
}

// NetConn returns the wrapped connection, the name that crypto/tls uses.
func (c *Conn) NetConn() net.Conn { return c.innerNow() }

// innerNow is inner for whoever does not own the connection.
func (c *Conn) innerNow() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inner
}

var _ net.Conn = (*Conn)(nil)
