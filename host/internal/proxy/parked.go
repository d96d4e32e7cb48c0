package proxy

import (
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
)

// Wake begins another stay with net/http.
func (c *conn) Wake(*idle.Conn) { c.begin(nil, true) }

// Finish ends a parked connection: over TLS with a close_notify (RFC 8446
// section 6.1), unless the peer has closed.
func (c *conn) Finish(_ *idle.Conn, r policy.Reason) {
	if r == policy.ReasonPeer || c.Conn == c.idle {
		c.idle.Close()
		return
	}
	c.proxy.farewells.say(c)
}

// undetectedConn is a connection without TLS whose protocol is not known yet.
type undetectedConn struct {
	proxy  *Proxy
	target route.Target
}

// Wake goes on detecting the protocol.
func (u *undetectedConn) Wake(c *idle.Conn) {
	if !u.proxy.crew.begin(func() { u.proxy.servePlain(c, u.target) }) {
		c.Close()
	}
}

// Finish closes the connection.
func (u *undetectedConn) Finish(c *idle.Conn, _ policy.Reason) { c.Close() }

var (
	_ idle.Sleeper = (*conn)(nil)
	_ idle.Sleeper = (*undetectedConn)(nil)
)
