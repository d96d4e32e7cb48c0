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
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/proxy/tcpproxy"
	"idlehost/host/internal/proxy/tunnel"
	"idlehost/host/internal/proxy/upstream"
	"idlehost/sdk/abi"
)

// serve leads a connection through its life: governed from its first moment,
// through TLS and the detection of the protocol, to what serves it.
func (p *Proxy) serve(s *setup) {
	l := s.listener
	if !s.readHeader() {
		return
	}
	if l.TLS != nil {
		p.serveTLS(s)
		return
	}
	c := s.conn
	if l.TCP {
		c.SetProtocol(abi.ProtocolTCP)
	}
	if err := s.admit(); err != nil {
		if !l.TCP && errors.Is(err, idle.ErrRefused) {
			refuse(c)
		}
		c.Close()
		return
	}
	if l.TCP {
		p.relay(c, c, s.target)
		return
	}
	p.servePlain(c, s.target)
}

// serveTLS serves what lies within TLS.
func (p *Proxy) serveTLS(s *setup) {
	c := s.conn
	tc, err := s.handshake()
	if err != nil {
		answerPlainHTTP(err)
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
	case s.listener.TCP:
		c.SetProtocol(abi.ProtocolTCP)
	case isH2:
		c.SetProtocol(abi.ProtocolHTTP2)
	default:
		c.SetProtocol(abi.ProtocolHTTP1)
	}
	switch err := s.admit(); {
	case err != nil:
		tc.Close()
	case s.listener.TCP:
		p.relay(tc, c, s.target)
	case isH2:
		if h2.ReadPreface(tc) != nil {
			tc.Close()
			return
		}
		p.serveHTTP2(tc, c, s.target)
	default:
		(&conn{Conn: tc, idle: c, proxy: p, target: s.target}).begin(nil, false)
	}
}

// servePlain tells HTTP/1 from HTTP/2 with prior knowledge. The connection is
// admitted already: one that sends nothing idles, like any other, and sleeps.
func (p *Proxy) servePlain(c *idle.Conn, target route.Target) {
	head, isH2, err := sniff(dozingReader{c})
	switch {
	case errors.Is(err, idle.ErrPark) && c.Park(&undetectedConn{proxy: p, target: target}):
	case err != nil:
		c.Close()
	case isH2:
		p.serveHTTP2(c, c, target)
	default:
		c.SetProtocol(abi.ProtocolHTTP1)
		(&conn{Conn: c, idle: c, proxy: p, target: target}).begin(head, false)
	}
}

func (p *Proxy) serveHTTP2(nc net.Conn, c *idle.Conn, target route.Target) {
	s := httpproxy.NewSession(c, target, true)
	p.http2.Serve(s.Context(p.ctx), nc, c)
}

func (p *Proxy) relay(nc tunnel.Stream, c *idle.Conn, target route.Target) {
	var group *upstream.Group
	if site, _ := target.Site(""); site != nil {
		group = site.Upstream
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

// dozingReader reads a connection whose protocol is not known. Until its first
// byte comes the connection may be parked.
type dozingReader struct{ c *idle.Conn }

// Read reads into what is left of sniff's buffer: all of it before the first
// byte.
func (d dozingReader) Read(p []byte) (int, error) {
	if len(p) < len(h2.Preface) {
		return d.c.Read(p)
	}
	d.c.Doze()
	defer d.c.Rouse()
	return d.c.Read(p)
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

// answerPlainHTTP answers a client that speaks HTTP where TLS is spoken.
func answerPlainHTTP(err error) {
	var re tls.RecordHeaderError
	if !errors.As(err, &re) || re.Conn == nil {
		return
	}
	switch string(re.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		io.WriteString(re.Conn, "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks HTTPS: begin the address with https://\n")
	}
}
