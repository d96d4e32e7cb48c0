package proxy

import (
	"net"
	"strings"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/httpproxy"
)

// Hello is what is known of a connection when its tenant is chosen.
type Hello struct {
	Listener string
	Peer     net.Addr
	Local    net.Addr
	// TLS tells that the listener speaks TLS; Name and ALPN are known once
	// the handshake is done.
	TLS  bool
	Name string // the server name that the client asked for (SNI), in lower case
	ALPN string
}

// Tenant is whom a connection belongs to, and what serves it. A tcp listener
// uses the site's Upstream only.
type Tenant struct {
	Account *idle.Account
	Site    *httpproxy.Site
}

// Router chooses the tenant of a connection. It is asked when the connection
// is accepted, for whose law holds during the handshake, and, over TLS, again
// after it. It is called from many goroutines; an error ends the connection.
type Router interface {
	Route(*Hello) (Tenant, error)
}

// One is the Router of a host with one tenant.
type One Tenant

// Route returns the tenant.
func (o One) Route(*Hello) (Tenant, error) { return Tenant(o), nil }

// serverName normalises a name from a client.
func serverName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }
