package httpproxy

import (
	"context"
	"time"

	"idlehost/host/internal/idle"
)

// Home is where a connection belongs, as its requests see it. Its methods are
// called for every request, from many goroutines, and must not block.
type Home interface {
	// Site is what requests are served by: a change holds for the next request
	// of every open connection. nil: nothing is there to serve them.
	Site() *Site
	// Owns reports whether requests for a host may be served on the
	// connection; any other is answered with 421 (RFC 9110 section 15.5.20).
	// The host is in lower case, without port, the brackets of an IPv6 address
	// and a dot at its end; empty where the request names none.
	Owns(host string) bool
}

// Tenant is whom a connection belongs to.
type Tenant struct {
	Account *idle.Account
	Home    Home
}

// Lobby is the Home of connections whose tenant the first request decides. It
// may have no Site.
type Lobby interface {
	Home
	// Enter returns the tenant that a host belongs to; the connection is its
	// from then on. An error leaves the connection in the lobby: a *Refusal
	// says what the request is answered with, any other means 421. It is
	// called by one request of a connection at a time.
	Enter(host string) (Tenant, error)
}

// Warmer is a Home that has something to get ready before the account of its
// tenant is asked about a connection. Warm is called on the connection's own
// goroutine, for every connection, before Admit or Reassign; it returns when
// ctx is done at the latest, ready or not.
type Warmer interface {
	Warm(ctx context.Context)
}

// warmth is how long a connection waits for its tenant to get ready. After
// that the host answers in the policy's stead.
const warmth = 2 * time.Second

// Warm gets the tenant ready to be asked.
func (t Tenant) Warm(ctx context.Context) {
	w, ok := t.Home.(Warmer)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, warmth)
	defer cancel()
	w.Warm(ctx)
}
