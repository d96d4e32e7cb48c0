package proxy

import (
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// Wake begins another stay with net/http.
func (c *conn) Wake(*idle.Conn) { c.begin(nil, true) }

// Finish ends a parked connection: over TLS with a close_notify (RFC 8446
// section 6.1), unless nobody is there to read it.
func (c *conn) Finish(_ *idle.Conn, r policy.Reason) {
	if r == policy.ReasonPeer || c.Conn == c.idle {
		c.idle.Close()
		return
	}
	c.proxy.farewells.say(c)
}

// newcomer is a connection in clear that has not yet said what it speaks.
type newcomer struct {
	proxy *Proxy
	home  Home
}

// Wake goes on with detecting the protocol.
func (n *newcomer) Wake(c *idle.Conn) {
	if !n.proxy.crew.begin(func() { n.proxy.serveClear(c, n.home) }) {
		c.Close()
	}
}

// Finish closes the connection.
func (n *newcomer) Finish(c *idle.Conn, _ policy.Reason) { c.Close() }

var (
	_ idle.Sleeper = (*conn)(nil)
	_ idle.Sleeper = (*newcomer)(nil)
)
