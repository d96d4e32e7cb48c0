package httpproxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/upstream"
)

// Site is what the requests of a connection are served by. Not changed once
// in use.
type Site struct {
	// Upstream is where requests go; nil: Local answers.
	Upstream *upstream.Group
	Local    http.Handler
	// Routes gives requests a class that policies see.
	Routes Routes
	// Trusted are the networks whose forwarding headers are kept.
	Trusted []netip.Prefix
	// RewriteHost sends the target's host name instead of the client's.
	RewriteHost bool
	// Via is this proxy's name in Via headers (RFC 9110 section 7.6.3);
	// empty: none are written.
	Via string
}

// Session is one accepted connection, as its requests see it.
type Session struct {
	conn    *idle.Conn
	site    *Site
	h2      bool
	peer    string // the client's address, as X-Forwarded-For has it
	trusted bool   // the client may say on whose behalf it asks
}

// NewSession returns the session of a connection that a site serves.
func NewSession(c *idle.Conn, site *Site, h2 bool) *Session {
	s := &Session{conn: c, site: site, h2: h2}
	a := addrOf(c.RemoteAddr())
	if !a.IsValid() {
		return s
	}
	s.peer = a.String()
	for _, p := range site.Trusted {
		s.trusted = s.trusted || p.Contains(a)
	}
	return s
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

// Routes gives paths a class. The longest prefix decides.
type Routes []Route

// Route gives the paths under Prefix a class.
type Route struct {
	Prefix string
	Class  uint16
}

// Class returns the class of a path, 0 where no route matches. A prefix
// matches whole path segments: /api matches /api and /api/x, not /apis.
func (rs Routes) Class(path string) uint16 {
	class, longest := uint16(0), -1
	for i := range rs {
		r := &rs[i]
		if len(r.Prefix) > longest && under(path, r.Prefix) {
			class, longest = r.Class, len(r.Prefix)
		}
	}
	return class
}

func under(path, prefix string) bool {
	if !strings.HasPrefix(path, prefix) {
		return false
	}
	return len(path) == len(prefix) || strings.HasSuffix(prefix, "/") || prefix == "" || path[len(prefix)] == '/'
}
