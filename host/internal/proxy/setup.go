package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/proxyproto"
	"idlehost/host/internal/proxy/route"
)

// setup is a connection from accept until its tenant admits it: the PROXY
// header, the TLS handshake and the choice of the tenant. One goroutine owns it.
type setup struct {
	proxy    *Proxy
	listener *Listener
	conn     *idle.Conn // governed; nil before
	info     route.ConnInfo
	target   route.Target
	refusal  *route.Refusal // why the router refused the connection; nil: it did not
	// headerDone says that no PROXY header is to come, or that it has come.
	headerDone bool
}

var errNoTarget = errors.New("the router names no tenant")

// newSetup governs a connection under the timeouts of the tenant that it seems
// to belong to. Nothing happens to it before: a connection that is not governed is
// not counted. It returns nil when the connection had to be closed.
func (p *Proxy) newSetup(l *Listener, nc net.Conn) *setup {
	s := &setup{proxy: p, listener: l, info: route.ConnInfo{
		Listener: l.Name, Peer: nc.RemoteAddr(), Destination: addrPort(nc.LocalAddr()), TLS: l.TLS != nil,
	}}
	account := p.unrouted
	if s.headerDone = !l.expectsHeader(s.info.Peer); s.headerDone {
		if err := s.route(); err != nil {
			s.log("connection without a tenant", err)
			nc.Close()
			return nil
		}
		account = s.target.Account()
	}
	c, err := p.gov.Accept(nc, account, l.TLS == nil && !l.TCP && s.headerDone)
	if err != nil {
		s.log("connection refused", err)
		nc.Close()
		return nil
	}
	s.conn = c
	return s
}

// expectsHeader reports whether connections from an address begin with a PROXY
// header.
func (l *Listener) expectsHeader(from net.Addr) bool {
	if len(l.ProxyFrom) == 0 {
		return false
	}
	addr := addrPort(from).Addr().WithZone("")
	for _, n := range l.ProxyFrom {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// readHeader reads the PROXY header, if there is one to come, and routes the
// connection again. It returns false when the connection had to be closed.
func (s *setup) readHeader() bool {
	if s.headerDone {
		return true
	}
	// The timeouts of phase Handshake apply.
	h, err := proxyproto.Read(s.conn)
	if err != nil {
		s.log("connection without a valid PROXY header", err)
		s.conn.Close()
		return false
	}
	if h.Source.IsValid() {
		s.conn.SetPeer(h.Source)
		s.info.Peer, s.info.Destination = net.TCPAddrFromAddrPort(h.Source), h.Destination
	}
	if err := s.route(); err != nil {
		s.log("connection without a tenant", err)
		s.conn.Close()
		return false
	}
	s.reassign()
	return true
}

// route asks the Router for the target. A refused connection gets one that
// refuses its first request, unless its protocol cannot tell the client.
func (s *setup) route() error {
	target, err := s.proxy.router.Route(&s.info)
	switch {
	case errors.As(err, &s.refusal):
		s.target = unrouted{s.proxy.unrouted, s.refusal}
		if s.listener.TCP && (!s.info.TLS || s.info.HelloRead) {
			return err
		}
		return nil
	case err != nil:
		return err
	case target == nil:
		return errNoTarget
	}
	s.target, s.refusal = target, nil
	return nil
}

// reassign puts the connection under the timeouts of its tenant, whose policy is
// not asked yet.
func (s *setup) reassign() { s.conn.Reassign(s.target.Account()) }

// admit gives the connection to its tenant for good, unless that refuses it.
func (s *setup) admit() error {
	route.Warm(s.proxy.ctx, s.target)
	return s.conn.Admit(s.target.Account())
}

// setupKey finds a setup in the context of its handshake.
type setupKey struct{}

// clientHello is called by crypto/tls when a ClientHello has come.
func clientHello(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	s, ok := hello.Context().Value(setupKey{}).(*setup)
	if !ok {
		return nil, nil
	}
	s.info.HelloRead, s.info.ServerName = true, serverName(hello.ServerName)
	switch err := s.route(); {
	case s.refusal != nil && (err != nil || s.refusal.Alert):
		// Without a certificate crypto/tls sends the alert unrecognized_name.
		// Without tickets no resumed session gets around it.
		return &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}, nil
	case err != nil:
		return nil, err
	}
	s.reassign()
	return nil, nil
}

// handshake runs the TLS handshake, under the timeouts of phase Handshake.
func (s *setup) handshake() (*tls.Conn, error) {
	tc := tls.Server(s.conn, s.listener.tlsConfig)
	err := tc.HandshakeContext(context.WithValue(context.Background(), setupKey{}, s))
	if err == nil {
		return tc, nil
	}
	if s.refusal != nil && s.info.HelloRead {
		s.log("connection without a tenant", errors.New(s.refusal.Text))
	} else {
		s.log("tls handshake failed", err)
	}
	return nil, err
}

// log writes why a connection ends before a tenant has admitted it.
func (s *setup) log(what string, err error) {
	more := []any{slog.String("listener", s.listener.Name), slog.Any("peer", s.info.Peer)}
	if s.conn != nil {
		more = append(more, slog.Uint64("conn", s.conn.ID()))
	}
	if s.info.HelloRead {
		more = append(more, slog.String("name", s.info.ServerName))
	}
	s.proxy.log.Debug(what, append(more, slog.String("error", err.Error()))...)
}

// serverName normalises a name from a client.
func serverName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// addrPort returns the address and port of a TCP address, an IPv4 address in
// its IPv4 form; the zero value for any other address.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
