package proxy

import (
	"crypto/tls"
	"io"
	"net"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/httpproxy"
)

// conn is a connection as net/http's server sees it. It hides crypto/tls from
// the server, which would shake hands by itself.
type conn struct {
	net.Conn // the *tls.Conn, or idle itself
	idle     *idle.Conn
	session  *httpproxy.Session
	head     []byte // read while the protocol was looked for; nil once replayed
}

// Read replays what was read before.
func (c *conn) Read(p []byte) (int, error) {
	if c.head == nil {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	if c.head = c.head[n:]; len(c.head) == 0 {
		c.head = nil
	}
	return n, nil
}

// CloseWrite lets the peer read an end.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return io.ErrClosedPipe
}

// NetConn returns the connection below, so that idle.From finds its way.
func (c *conn) NetConn() net.Conn { return c.Conn }

func (c *conn) core() *conn { return c }

// clear is a conn without TLS.
type clear struct{ *conn }

// ReadFrom keeps sendfile and splice.
func (c clear) ReadFrom(r io.Reader) (int64, error) { return c.idle.ReadFrom(r) }

// secure is a conn over TLS.
type secure struct{ *conn }

// ConnectionState is what Request.TLS is filled from.
func (c secure) ConnectionState() tls.ConnectionState { return c.Conn.(*tls.Conn).ConnectionState() }

// inbox is the listener that hands accepted connections to net/http.
type inbox struct {
	conns chan net.Conn
	done  chan struct{} // closed by the Proxy, once
}

func newInbox() *inbox { return &inbox{conns: make(chan net.Conn), done: make(chan struct{})} }

// put hands over nc, or closes it when nobody takes it any more.
func (b *inbox) put(nc net.Conn) {
	select {
	case b.conns <- nc:
	case <-b.done:
		nc.Close()
	}
}

// Accept returns the next connection.
func (b *inbox) Accept() (net.Conn, error) {
	select {
	case nc := <-b.conns:
		return nc, nil
	case <-b.done:
		return nil, net.ErrClosed
	}
}

// Close does nothing: the Proxy closes done when no more connections come.
func (b *inbox) Close() error { return nil }

// Addr names no address, for there are many.
func (b *inbox) Addr() net.Addr { return &net.UnixAddr{Name: "proxy", Net: "unix"} }

var (
	_ io.ReaderFrom = clear{}
	_ net.Listener  = (*inbox)(nil)
)
