package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/h2"
	"idlehost/host/internal/proxy/httpproxy"
	"idlehost/host/internal/proxy/tcpproxy"
	"idlehost/host/internal/proxy/tunnel"
	"idlehost/host/internal/proxy/upstream"
	"idlehost/sdk/abi"
)

// serve leads a connection through its life: governed from its first moment,
// through TLS and the detection of the protocol, to what serves it.
func (p *Proxy) serve(a *arrival) {
	l := a.listener
	if !a.introduce() {
		return
	}
	if l.TLS != nil {
		p.serveTLS(a)
		return
	}
	c := a.conn
	if l.TCP {
		c.SetProtocol(abi.ProtocolTCP)
	}
	if err := a.admit(); err != nil {
		if !l.TCP && errors.Is(err, idle.ErrRefused) {
			refuse(c)
		}
		c.Close()
		return
	}
	if l.TCP {
		p.relay(c, c, a.tenant.Home)
		return
	}
	p.serveClear(c, a.tenant.Home)
}

// serveTLS serves what lies within TLS.
func (p *Proxy) serveTLS(a *arrival) {
	c := a.conn
	tc, err := a.shake()
	if err != nil {
		scold(err)
		c.Close()
		return
	}
	state := tc.ConnectionState()
	c.SetHandshake(1)
	if state.DidResume {
		c.SetHandshake(2)
	}
	isH2 := state.NegotiatedProtocol == "h2"
	switch {
	case a.listener.TCP:
		c.SetProtocol(abi.ProtocolTCP)
	case isH2:
		c.SetProtocol(abi.ProtocolHTTP2)
	default:
		c.SetProtocol(abi.ProtocolHTTP1)
	}
	home := a.tenant.Home
	switch err := a.admit(); {
	case err != nil:
		tc.Close()
	case a.listener.TCP:
		p.relay(tc, c, home)
	case isH2:
		if h2.ReadPreface(tc) != nil {
			tc.Close()
			return
		}
		p.serveHTTP2(tc, c, home)
	default:
		(&conn{Conn: tc, idle: c, proxy: p, home: home}).begin(nil, false)
	}
}

// serveClear tells HTTP/1 from HTTP/2 with prior knowledge. The connection is
// admitted already: one that sends nothing idles, like any other, and sleeps.
func (p *Proxy) serveClear(c *idle.Conn, home Home) {
	head, isH2, err := sniff(sniffed{c})
	switch {
	case errors.Is(err, idle.ErrPark) && c.Park(&newcomer{proxy: p, home: home}):
	case err != nil:
		c.Close()
	case isH2:
		p.serveHTTP2(c, c, home)
	default:
		c.SetProtocol(abi.ProtocolHTTP1)
		(&conn{Conn: c, idle: c, proxy: p, home: home}).begin(head, false)
	}
}

func (p *Proxy) serveHTTP2(nc net.Conn, c *idle.Conn, home Home) {
	s := httpproxy.NewSession(c, home, true)
	p.http2.Serve(s.Context(p.ctx), nc, c)
}

func (p *Proxy) relay(nc tunnel.Stream, c *idle.Conn, home Home) {
	var group *upstream.Group
	if s := home.Site(); s != nil {
		group = s.Upstream
	}
	tcpproxy.Relay(p.ctx, nc, c, group, &p.tunnels, p.log)
}

// sniff reads until the bytes are, or cannot become, HTTP/2's preface. It asks
// for no more than that: a request of HTTP/1 may be shorter.
func sniff(r io.Reader) (head []byte, isH2 bool, err error) {
	b := make([]byte, len(h2.Preface))
	for n := 0; ; {
		m, err := r.Read(b[n:])
		n += m
		switch {
		case n > 0 && !strings.HasPrefix(h2.Preface, string(b[:n])):
			return b[:n], false, nil
		case n == len(b):
			return nil, true, nil
		case err != nil:
			return nil, false, err
		}
	}
}

// sniffed is a connection of which nothing is known: until its first byte comes
// it can sleep.
type sniffed struct{ c *idle.Conn }

// Read reads into what is left of sniff's buffer: all of it before the first
// byte.
func (s sniffed) Read(p []byte) (int, error) {
	if len(p) < len(h2.Preface) {
		return s.c.Read(p)
	}
	s.c.Doze()
	defer s.c.Rouse()
	return s.c.Read(p)
}

// refusal is answered whatever was asked; an HTTP/2 client sees an error either
// way.
const refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 58\r\n\r\n" +
	"503 Service Unavailable: too many connections, come again\n"

// refuse tells a client that it is not admitted, once it has asked: an answer
// that comes first is taken for nonsense. Then it waits a moment for the
// client to read that, since closing over unread bytes resets the connection.
func refuse(c *idle.Conn) {
	nc := c.NetConn() // the governed connection has ended already
	nc.SetDeadline(time.Now().Add(250 * time.Millisecond))
	if n, _ := nc.Read(make([]byte, 4<<10)); n == 0 {
		return
	}
	if _, err := io.WriteString(nc, refusal); err != nil {
		return
	}
	if h, ok := nc.(interface{ CloseWrite() error }); ok && h.CloseWrite() == nil {
		io.CopyN(io.Discard, nc, 64<<10)
	}
}

// scold answers a client that speaks HTTP where TLS is spoken.
func scold(err error) {
	var re tls.RecordHeaderError
	if !errors.As(err, &re) || re.Conn == nil {
		return
	}
	switch string(re.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		io.WriteString(re.Conn, "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks HTTPS: begin the address with https://\n")
	}
}
