package httpproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/route"
)

// Session is one accepted connection, as its requests see it.
type Session struct {
	conn *idle.Conn
	peer string // the client's address, as X-Forwarded-For has it
	h2   bool

	mu     sync.Mutex // guards the following; held while a tenant is assigned
	target route.Target
}

// NewSession returns the session of a connection.
func NewSession(c *idle.Conn, target route.Target, h2 bool) *Session {
	s := &Session{conn: c, target: target, h2: h2}
	if a := addrOf(c.RemoteAddr()); a.IsValid() {
		s.peer = a.String()
	}
	return s
}

var errNoTarget = errors.New("no tenant was assigned")

// Target returns the tenant that the connection belongs to by now.
func (s *Session) Target() route.Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.target
}

// assign returns the Target that decides about a request for host. The first
// host that has a tenant assigns the connection to it. Of requests that come at
// once, over HTTP/2, one does so while the others wait: one connection loads one
// tenant at a time, however many hosts it names.
func (s *Session) assign(ctx context.Context, host string) (route.Target, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	unassigned, ok := s.target.(route.Unassigned)
	if !ok {
		return s.target, nil
	}
	t, err := unassigned.Assign(host)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, errNoTarget
	}
	route.Warm(ctx, t)
	if err := s.conn.Reassign(t.Account()); err != nil {
		return nil, err
	}
	s.target = t
	return t, nil
}

// trusted reports whether the client may say on whose behalf it asks.
func (s *Session) trusted(site *route.Site) bool {
	if len(site.Trusted) == 0 {
		return false
	}
	a, err := netip.ParseAddr(s.peer)
	return err == nil && slices.ContainsFunc(site.Trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// addrOf returns the address without port, zone and IPv4-in-IPv6 form.
func addrOf(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap().WithZone("")
}

type sessionKey struct{}

// Context returns ctx for the session's requests.
func (s *Session) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

func sessionOf(ctx context.Context) *Session {
	s, _ := ctx.Value(sessionKey{}).(*Session)
	return s
}

// scheme is what the client's request came by.
func scheme(t *tls.ConnectionState) string {
	if t != nil {
		return "https"
	}
	return "http"
}
