package httpproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/upstream"
)

// Site is what requests are served by. Not changed once in use.
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

// Site makes a site the Home of connections of which it serves every request.
func (s *Site) Site() *Site { return s }

// Owns is true.
func (s *Site) Owns(string) bool { return true }

// Session is one accepted connection, as its requests see it.
type Session struct {
	conn *idle.Conn
	peer string // the client's address, as X-Forwarded-For has it
	h2   bool

	mu   sync.Mutex // guards the following; held while a lobby is left, see enter
	home Home
}

// NewSession returns the session of a connection.
func NewSession(c *idle.Conn, home Home, h2 bool) *Session {
	s := &Session{conn: c, home: home, h2: h2}
	if a := addrOf(c.RemoteAddr()); a.IsValid() {
		s.peer = a.String()
	}
	return s
}

var errNoTenant = errors.New("the lobby names no tenant")

// Home returns where the connection belongs by now.
func (s *Session) Home() Home {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.home
}

// enter returns the Home that decides about a request for host. The first that
// a lobby lets in takes the connection with it. Of requests that come at once,
// over HTTP/2, one does so while the others wait: one connection wakes one
// tenant at a time, however many it names.
func (s *Session) enter(ctx context.Context, host string) (Home, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lobby, ok := s.home.(Lobby)
	if !ok {
		return s.home, nil
	}
	t, err := lobby.Enter(host)
	if err == nil && (t.Account == nil || t.Home == nil) {
		err = errNoTenant
	}
	if err != nil {
		return lobby, err
	}
	t.Warm(ctx)
	if err := s.conn.Reassign(t.Account); err != nil {
		return lobby, err
	}
	s.home = t.Home
	return s.home, nil
}

// trusted reports whether the client may say on whose behalf it asks.
func (s *Session) trusted(site *Site) bool {
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
