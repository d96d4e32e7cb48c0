package proxy

import (
	"net"
	"net/netip"
	"strings"

	"idlehost/host/internal/proxy/httpproxy"
)

// Hello is what is known of a connection when its tenant is chosen.
type Hello struct {
	Listener string
	// Peer is the client; Destination is what it connected to, the zero value
	// where that is no address of the internet. Both are as the PROXY protocol
	// has them, if it was spoken.
	Peer        net.Addr
	Destination netip.AddrPort
	Local       net.Addr // of the socket
	// TLS tells that the listener speaks TLS. Greeted says that the client's
	// ClientHello has come; only then are the next two known.
	TLS, Greeted bool
	Name         string // the server name that the client asked for (SNI), in lower case; it may ask for none
	ALPN         string // the protocol that will be spoken, as far as the client has named any
}

// Tenant is whom a connection belongs to, and what serves it. A tcp listener
// uses the site's Upstream only.
type Tenant = httpproxy.Tenant

// Home is where a connection belongs, as its requests see it.
type Home = httpproxy.Home

// Lobby is the Home of connections whose tenant the first request decides.
type Lobby = httpproxy.Lobby

// Refusal is an error of a Lobby that says what a request is answered with.
type Refusal = httpproxy.Refusal

// Router chooses the tenant of a connection. It is asked when the connection
// is accepted and, over TLS, again when the ClientHello has come: what it says
// first is then only whose law holds till the second. It is called from many
// goroutines and must not block. Unknown is an error that clients are told
// of; any other ends the connection.
type Router interface {
	Route(*Hello) (Tenant, error)
}

// Unknown is the error for a connection that is nobody's. Over HTTP, in clear
// or over TLS, the client is told so with 421 once it has asked; other
// connections end. Over TLS it only counts once the ClientHello has come.
type Unknown struct {
	// Text is what the client is told; empty: that nobody answers for the
	// host here.
	Text string
	// Alert fails the handshake with the alert unrecognized_name (RFC 6066
	// section 3) instead.
	Alert bool
}

func (u Unknown) Error() string {
	if u.Text != "" {
		return u.Text
	}
	return "nobody answers for this host here"
}

// serverName normalises a name from a client.
func serverName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// addrPort returns what netip can say of an address, without the IPv6 form of
// an IPv4 one; the zero value for one that is none of the internet's.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

var _ error = Unknown{}
