// Package idle is the idle-deadline connection layer. A Conn wraps an accepted
// or dialled connection below TLS, stamps its activity, knows its phase, and
// asks its tenant's Decider when a deadline has passed. A Governor keeps all
// of them in timing wheels and ends those whose time has come.
//
// It knows connections and time, not Wasm, not tenants' stores, not HTTP.
package idle

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
)

// ErrRefused is returned by Admit when the policy, or a limit, refuses the
// connection. The caller closes it.
var ErrRefused = errors.New("connection refused by policy")

// Decider answers an Ask. It never fails and must not block for long: it is
// called on the goroutine that serves a whole shard of connections.
type Decider interface {
	Decide(*policy.Ask) policy.Verdict
}

// Observer is told what happens. Its methods are called from any goroutine,
// must not block and must not keep what they are given.
type Observer interface {
	// Asked reports a question, its answer and how long that took.
	Asked(a *Account, ask *policy.Ask, v policy.Verdict, took time.Duration)
	// Reused reports an idle gap that ended in another request.
	Reused(a *Account, gap time.Duration)
	// Late reports a client that wanted its connection just after it was
	// closed: lost says that its bytes reached the closed connection,
	// otherwise it came back on a new one; after counts from the close.
	Late(a *Account, after time.Duration, lost bool)
	// Ended reports the end of a connection.
	Ended(*End)
}

// End describes a connection that has ended.
type End struct {
	Account   *Account
	ID        uint64
	Side      policy.Side
	Protocol  policy.Protocol
	Phase     policy.Phase // at the decision to end it
	Reason    policy.Reason
	Verdict   policy.Verdict // the last answer; zero when nothing was asked
	Log       bool           // a verdict asked for a decision line
	Peer      netip.AddrPort
	Age, Idle time.Duration
	Deadline  time.Duration // the last deadline that passed; 0 when none did
	Asks      uint32
	Requests  uint32
	BytesIn   uint64
	BytesOut  uint64
	Unread    int // bytes left in the kernel's receive buffer
}

// Account is one tenant as the idle layer sees it. Create it with NewAccount.
type Account struct {
	Name    string
	Decider Decider
	Books   *books.Books // nil: none are kept

	law  atomic.Pointer[law]
	open atomic.Int64
}

type law struct {
	timeouts policy.Timeouts
	limits   policy.Limits
}

// NewAccount returns an account under the given law.
func NewAccount(name string, d Decider, b *books.Books, t policy.Timeouts, l policy.Limits) *Account {
	a := &Account{Name: name, Decider: d, Books: b}
	a.SetLaw(t, l)
	return a
}

// SetLaw replaces timeouts and limits; open connections follow at their next
// look.
func (a *Account) SetLaw(t policy.Timeouts, l policy.Limits) { a.law.Store(&law{t, l}) }

// Open returns the number of the account's open connections, both sides.
func (a *Account) Open() int { return int(a.open.Load()) }

// Pressure is how full the process is, each from 0 to 1000.
type Pressure struct{ Conns, Fds, Memory uint16 }

// Config configures a Governor. The zero value works.
type Config struct {
	// Shards is the number of timing wheels; 0: GOMAXPROCS.
	Shards int
	// Granularity is the step of the wheel and of the coarse clock: a
	// deadline is kept never early and at most this late. 0: 10 ms.
	Granularity time.Duration
	// Pressure is asked now and then; nil: no pressure.
	Pressure func() Pressure
	// Limit is the number of connections the host may have open; 0: any.
	Limit int
	// Observer may be nil.
	Observer Observer
	// Linger is how long a connection that the host ended while idle waits
	// for bytes that crossed its FIN. 0: 500 ms. Negative: not at all.
	Linger time.Duration
}

// Governor governs connections.
type Governor struct{ cfg Config }

// New returns a running Governor.
func New(cfg Config) *Governor { return &Governor{cfg: cfg} }

// Close stops the Governor's goroutines. Connections stay as they are.
func (g *Governor) Close() error { return nil }

// Open returns the number of open connections.
func (g *Governor) Open() int { return 0 }

// Each calls f for every open connection until it returns false.
func (g *Governor) Each(f func(*Conn) bool) {}

// Drain ends all connections: idle ones at once and politely, the others when
// their request has ended. It returns when none is left or ctx is done, with
// the number that remains. Accepted connections only.
func (g *Governor) Drain(ctx context.Context) (left int) { return 0 }

// Govern wraps nc, in phase Handshake, under a's law. Nothing is asked before
// Admit.
func (g *Governor) Govern(nc net.Conn, a *Account, side policy.Side) *Conn {
	return &Conn{inner: nc, account: a}
}

// Conn is a governed connection. It wraps below TLS.
type Conn struct {
	inner   net.Conn
	account *Account
}

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

// Admit assigns the connection to a (nil: the account it has) and asks its
// policy for the accept event. It moves to phase Idle. ErrRefused: close it.
func (c *Conn) Admit(a *Account) error { return nil }

// ID is unique while the process runs.
func (c *Conn) ID() uint64 { return 0 }

// Account returns the tenant's account.
func (c *Conn) Account() *Account { return c.account }

// Phase returns the current phase.
func (c *Conn) Phase() policy.Phase { return 0 }

// Side tells who opened the connection.
func (c *Conn) Side() policy.Side { return 0 }

// Protocol tells what is spoken.
func (c *Conn) Protocol() policy.Protocol { return 0 }

// SetProtocol says what is spoken.
func (c *Conn) SetProtocol(p policy.Protocol) {}

// SetHandshake says what TLS handshake was made: 0 none, 1 full, 2 resumed.
func (c *Conn) SetHandshake(kind uint16) {}

// SetPhase moves to a phase. A Read in phase Idle moves an HTTP/1 connection
// to Header by itself, a Write in phase Upstream to Write.
func (c *Conn) SetPhase(p policy.Phase) {}

// Begin says that a request, of a route class, begins: its header section is
// complete. It ends the idle gap and counts the request; body says whether
// content follows (phase Body, else Upstream; an HTTP/2 connection with
// several streams stays as it is). It returns false when the host has already
// decided to end the connection; a dialled one must then not be used.
func (c *Conn) Begin(route uint16, body bool) bool { return true }

// End says that a request ended. When it was the last in flight, the phase is
// Idle, or StreamIdle for HTTP/2.
func (c *Conn) End() {}

// Control says that a control frame was read: not use, but a sign of life.
func (c *Conn) Control() {}

// SetHint caps the idle lease by what the peer announced (Keep-Alive:
// timeout=N of an upstream, RFC 2068 19.7.1.1). 0: no hint.
func (c *Conn) SetHint(d time.Duration) {}

// SetEnder says how the protocol wants an idle connection to be ended, when
// closing is not enough (HTTP/2: GOAWAY). f is called once, must not block,
// and leads to Close sooner or later.
func (c *Conn) SetEnder(f func(policy.Reason)) {}

// Shut starts ending the connection for a reason, as a verdict would.
func (c *Conn) Shut(r policy.Reason) {}

// Ending returns the reason when the host has decided to end the connection.
func (c *Conn) Ending() (policy.Reason, bool) { return 0, false }

// Read is on the hot path: no allocation, no lock, no system call beyond the
// read itself.
func (c *Conn) Read(p []byte) (int, error) { return c.inner.Read(p) }

// Write is on the hot path like Read.
func (c *Conn) Write(p []byte) (int, error) { return c.inner.Write(p) }

// Close closes the connection. One that the host ended while idle is half
// closed first and lingers, so that late bytes do not meet a reset.
func (c *Conn) Close() error { return c.inner.Close() }

func (c *Conn) LocalAddr() net.Addr                   { return c.inner.LocalAddr() }
func (c *Conn) RemoteAddr() net.Addr                  { return c.inner.RemoteAddr() }
func (c *Conn) SetDeadline(t time.Time) error         { return c.inner.SetDeadline(t) }
func (c *Conn) SetReadDeadline(t time.Time) error     { return c.inner.SetReadDeadline(t) }
func (c *Conn) SetWriteDeadline(t time.Time) error    { return c.inner.SetWriteDeadline(t) }
func (c *Conn) NetConn() net.Conn                     { return c.inner }
func (c *Conn) CloseRead() error                      { return nil }
func (c *Conn) CloseWrite() error                     { return nil }
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return nil, nil }

// Stream is one request of an HTTP/2 connection whose content the law of
// phase Body, or whose response the law of phase Write, applies to.
type Stream struct{}

// NewStream watches a request. expire is called, from the Governor's
// goroutine, when the law is broken; it must not block.
func (c *Conn) NewStream(p policy.Phase, expire func()) *Stream { return &Stream{} }

// Progress counts n bytes.
func (s *Stream) Progress(n int) {}

// SetPhase moves to a phase: Body, Upstream (no law applies) or Write.
func (s *Stream) SetPhase(p policy.Phase) {}

// Done ends the watch.
func (s *Stream) Done() {}
