package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/httpproxy"
	"idlehost/host/internal/proxy/leantls"
	"idlehost/host/internal/proxy/route"
)

// conn is a connection that speaks HTTP/1, as net/http's server sees it. It
// hides crypto/tls from the server, which would shake hands by itself. It lives
// through many stays with the server: between two of them it is parked, and
// then it is all that is kept.
type conn struct {
	net.Conn // the *tls.Conn, or idle itself
	idle     *idle.Conn
	proxy    *Proxy
	target   route.Target // while parked; until then its session has it
	stay     *stay        // nil while parked
}

// stay is what a conn needs from when net/http accepts it to when net/http
// closes it. Whoever reads the connection owns it.
type stay struct {
	session *httpproxy.Session
	head    []byte // read while the protocol was looked for; nil once replayed
	// full is the length of the slice handed to the first Read: that of the
	// server's empty buffer. 0: none has been.
	full int
	// resting: the server waits for a request, and has seen no byte of it.
	resting bool
	quiet   bool // the last Read returned idle.ErrPark
	strays  int8 // how many CR and LF may still be skipped
}

// strays is how many CR and LF are skipped before a request line, as net/http
// does after a POST: it does not know what came before the connection slept
// (RFC 9112 section 2.2).
const strays = 4

// begin hands the connection to net/http: head is what has been read already,
// woken says that it has been parked.
func (c *conn) begin(head []byte, woken bool) {
	s := &stay{session: httpproxy.NewSession(c.idle, c.target, false), head: head, resting: true}
	if woken {
		s.strays = strays
	}
	c.stay = s
	var nc net.Conn = plainConn{c}
	if _, ok := c.Conn.(*tls.Conn); ok {
		nc = secureConn{c}
	}
	if !c.proxy.inbox.put(nc) {
		c.idle.Close()
	}
}

// idleTimeout is the server's. It never passes: setting it is how net/http says
// that from now on it waits for the next request, until it sets another.
const idleTimeout = 100 * 365 * 24 * time.Hour

// SetReadDeadline sets net/http's deadlines but for that one. It may be called
// while the server reads in the background, and then changes nothing here.
func (c *conn) SetReadDeadline(t time.Time) error {
	switch s := c.stay; {
	case t.After(c.proxy.never):
		s.resting = true
		return nil
	case s.resting: // four bytes have come, if only from the server's buffer
		s.resting = false
		c.idle.Stir()
	}
	return c.Conn.SetReadDeadline(t)
}

// Read replays what was read before. A Read into the server's whole buffer
// while it waits for a request is one that the server can do without: then, and
// only then, its buffer is empty (pipelined requests wait there, and what its
// background read took).
func (c *conn) Read(p []byte) (int, error) {
	s := c.stay
	if s.full == 0 {
		s.full = len(p)
	}
	switch {
	case s.head != nil:
		s.resting = false
		n := copy(p, s.head)
		if s.head = s.head[n:]; len(s.head) == 0 {
			s.head = nil
		}
		return n, nil
	case s.resting && len(p) == s.full:
		return c.doze(p)
	}
	return c.Conn.Read(p)
}

// doze is a Read that ends with idle.ErrPark when nothing comes.
func (c *conn) doze(p []byte) (n int, err error) {
	s := c.stay
	c.idle.Doze()
	for n == 0 && err == nil {
		n, err = c.Conn.Read(p)
		n = s.skip(p[:n])
	}
	c.idle.Rouse()
	if s.resting = n == 0; n > 0 {
		c.idle.Stir()
	}
	s.quiet = n == 0 && errors.Is(err, idle.ErrPark)
	return n, err
}

// skip moves p over stray CR and LF and returns what is left of it.
func (s *stay) skip(p []byte) int {
	i := 0
	for i < len(p) && s.strays > 0 && (p[i] == '\r' || p[i] == '\n') {
		i++
		s.strays--
	}
	if i < len(p) {
		s.strays = 0
	}
	return copy(p, p[i:])
}

// Close parks the connection if that is why net/http closes it. Once the Proxy
// closes, it may be called while another goroutine reads.
func (c *conn) Close() error {
	if c.proxy.closing.Load() {
		return c.Conn.Close()
	}
	if s := c.stay; s != nil && s.quiet {
		c.target = s.session.Target()
		c.stay = nil // nothing of c may be touched after Park
		if tc, ok := c.Conn.(*tls.Conn); ok {
			leantls.Release(tc)
		}
		if c.idle.Park(c) {
			return nil
		}
		c.stay = s
	}
	return c.Conn.Close()
}

// CloseWrite lets the peer read an end. net/http then waits for half a second
// before it closes, lest what the client has sent meanwhile resets the connection
// before it has read the answer.
func (c *conn) CloseWrite() error {
	h, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return io.ErrClosedPipe
	}
	defer c.idle.Answered()
	return h.CloseWrite()
}

// NetConn returns the connection below, so that idle.From finds its way.
func (c *conn) NetConn() net.Conn { return c.Conn }

// connOf returns the conn of a connection that begin handed to net/http.
func connOf(nc net.Conn) *conn {
	if c, ok := nc.(secureConn); ok {
		return c.conn
	}
	return nc.(plainConn).conn
}

// plainConn is a conn without TLS.
type plainConn struct{ *conn }

// ReadFrom keeps sendfile and splice.
func (c plainConn) ReadFrom(r io.Reader) (int64, error) { return c.idle.ReadFrom(r) }

// secureConn is a conn over TLS.
type secureConn struct{ *conn }

// ConnectionState is what Request.TLS is filled from.
func (c secureConn) ConnectionState() tls.ConnectionState {
	return c.Conn.(*tls.Conn).ConnectionState()
}

var _ io.ReaderFrom = plainConn{}
