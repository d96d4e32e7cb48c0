package h1

import (
	"crypto/tls"
	"net"
	"syscall"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// Conn is a connection to a server. Between two requests it is all that there
// is beside the governed connection and its TLS.
type Conn struct {
	wire   wire
	nc     net.Conn        // where HTTP is spoken: the wire, or TLS above it
	tls    *tls.Conn       // nil in clear
	raw    syscall.RawConn // nil: parked, or it cannot be asked and so not be kept
	abort  func()          // closes from any goroutine; made once
	client *Client         // set when it is first used

	state        connState // this and the following are guarded by client.mu
	unparkable   bool      // counted in client.unparkable
	round        uint32
	older, newer *Conn
}

// NewConn returns a Conn over a governed connection. For TLS, make a tls.Conn
// over Wire and hand it to Secure.
func NewConn(c *idle.Conn) *Conn {
	k := &Conn{wire: wire{conn: c}}
	k.nc, k.abort = &k.wire, k.sever
	k.findRaw()
	return k
}

func (k *Conn) findRaw() {
	if canProbe {
		k.raw, _ = k.wire.conn.SyscallConn()
	}
}

// Wire returns what TLS is to be put over.
func (k *Conn) Wire() net.Conn { return &k.wire }

// Secure puts t, whose handshake is complete, over the connection.
func (k *Conn) Secure(t *tls.Conn) { k.nc, k.tls = t, t }

// Close closes; over TLS with a close_notify (RFC 8446 section 6.1).
func (k *Conn) Close() error { return k.nc.Close() }

// sever closes without a close_notify. It does not block.
func (k *Conn) sever() { k.wire.conn.Close() }

// adopt makes a dialled connection c's.
func (c *Client) adopt(k *Conn) {
	k.client = c
	k.wire.conn.SetEnder(func(policy.Reason) { c.lose(k) })
}

// sleeper is a parked Conn. Whatever wakes it ends it: between two requests a
// server has nothing to send.
type sleeper Conn

func (s *sleeper) Wake(*idle.Conn) { s.client.lose((*Conn)(s)) }

func (s *sleeper) Finish(*idle.Conn, policy.Reason) { s.client.lose((*Conn)(s)) }

// overread reports whether TLS holds bytes that were sent after the answer. It
// must not be called beside a Read.
func (k *Conn) overread() bool {
	if k.tls == nil {
		return false
	}
	var b [1]byte
	k.wire.peek = true
	n, err := k.tls.Read(b[:])
	k.wire.peek = false
	return n > 0 || err != errPeek
}
