// Package route holds what the proxies ask about connections and requests:
// which tenant one belongs to, and what serves it. Whoever configures the
// proxies answers; the proxies know neither tenants nor Wasm.
package route

import (
	"context"
	"net"
	"net/netip"
	"time"

	"idlehost/host/internal/idle"
)

// ConnInfo is what is known of a connection when its Target is chosen.
type ConnInfo struct {
	Listener string
	// Peer is the client; Destination is the address that it connected to, the
	// zero value where that is no IP address. A PROXY header, where one is
	// spoken, sets both.
	Peer        net.Addr
	Destination netip.AddrPort
	// TLS says that the listener speaks TLS, HelloRead that the client's
	// ClientHello has come. ServerName is the name in it (SNI, RFC 6066
	// section 3), in lower case; a client may send none.
	TLS, HelloRead bool
	ServerName     string
}

// Router chooses the Target of a connection. It is asked when the connection is
// accepted and, over TLS, again when the ClientHello has come: the first answer
// then governs the connection only until the second. It is called from many
// goroutines and must not block. A *Refusal is told to the client; any other
// error ends the connection.
type Router interface {
	Route(*ConnInfo) (Target, error)
}

// Target is the tenant that a connection is routed to. Its methods are called
// from many goroutines.
type Target interface {
	// Account is what the idle layer governs the connection by.
	Account() *idle.Account
	// Warm loads what the account needs before it is asked about a connection.
	// It is called on the connection's own goroutine, for every connection, and
	// returns when ctx is done at the latest, ready or not.
	Warm(ctx context.Context)
	// Site returns what serves a request for a host; nil: nothing does. It is
	// called once for every request, so that a change holds for the next
	// request of an open connection, and must not block. The host is in lower
	// case, without port, the brackets of an IPv6 address and a dot at its end;
	// empty where the request names none. ok is false for a host that belongs
	// to another tenant: the request is answered with 421 (RFC 9110 section
	// 15.5.20), and the site says only which class its path has.
	Site(host string) (site *Site, ok bool)
}

// Unassigned is the Target of a connection whose tenant its first request
// decides.
type Unassigned interface {
	Target
	// Assign returns the tenant that a host belongs to: the connection belongs
	// to it from then on. After an error the connection stays unassigned: a
	// *Refusal says how the request is answered, any other error means 421. It
	// is called by one request of a connection at a time.
	Assign(host string) (Target, error)
}

// warmUp is how long a connection waits for its Target to be ready. After that
// the host answers in place of the tenant's policy.
const warmUp = 2 * time.Second

// Warm waits, for a bounded time, until the account of t can be asked.
func Warm(ctx context.Context, t Target) {
	ctx, cancel := context.WithTimeout(ctx, warmUp)
	defer cancel()
	t.Warm(ctx)
}
