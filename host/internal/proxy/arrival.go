package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/proxyproto"
)

// arrival is a connection whose tenant is being found. One goroutine owns it.
type arrival struct {
	proxy    *Proxy
	listener *Listener
	conn     *idle.Conn // governed; nil before
	hello    Hello
	tenant   Tenant
	unknown  bool // the tenant is a stranger
	// introduced says that no PROXY header is to come, or that it has come.
	introduced bool
}

var errNoTenant = errors.New("the router names no tenant")

// arrive governs a connection under the law of the tenant that it seems to belong
// to. Nothing happens to it before: a connection that is not governed is not
// counted. It returns nil when the connection had to be closed.
func (p *Proxy) arrive(l *Listener, nc net.Conn) *arrival {
	a := &arrival{proxy: p, listener: l, hello: Hello{
		Listener: l.Name, Peer: nc.RemoteAddr(), Destination: addrPort(nc.LocalAddr()), Local: nc.LocalAddr(), TLS: l.TLS != nil,
	}}
	account := p.strangers
	if a.introduced = !l.introduces(a.hello.Peer); a.introduced {
		if err := a.route(); err != nil {
			a.log("connection without a tenant", err)
			nc.Close()
			return nil
		}
		account = a.tenant.Account
	}
	c, err := p.gov.Accept(nc, account, l.TLS == nil && !l.TCP && a.introduced)
	if err != nil {
		a.log("connection refused", err)
		nc.Close()
		return nil
	}
	a.conn = c
	return a
}

// introduce reads the PROXY header, if there is one to come, and asks anew whose
// the connection is. It returns false when it had to be closed.
func (a *arrival) introduce() bool {
	if a.introduced {
		return true
	}
	if err := a.readHeader(); err != nil {
		a.log("connection without a valid PROXY header", err)
		a.conn.Close()
		return false
	}
	if err := a.route(); err != nil {
		a.log("connection without a tenant", err)
		a.conn.Close()
		return false
	}
	a.move()
	return true
}

// introduces reports whether connections from an address begin with a PROXY
// header.
func (l *Listener) introduces(from net.Addr) bool {
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

// readHeader reads the PROXY header, under the law of phase Handshake.
func (a *arrival) readHeader() error {
	h, err := proxyproto.Read(a.conn)
	if err != nil || !h.Source.IsValid() {
		return err
	}
	a.conn.SetPeer(h.Source)
	a.hello.Peer, a.hello.Destination = net.TCPAddrFromAddrPort(h.Source), h.Destination
	return nil
}

// route asks whose the connection is.
func (a *arrival) route() error {
	t, err := a.proxy.router.Route(&a.hello)
	var why Unknown
	switch {
	case errors.As(err, &why):
		a.unknown = true
		a.tenant = Tenant{Account: a.proxy.strangers, Home: stranger{why}}
		if a.listener.TCP && (!a.hello.TLS || a.hello.Greeted) {
			return err // there is no way to tell
		}
		return nil
	case err != nil:
		return err
	case t.Account == nil || t.Home == nil:
		return errNoTenant
	}
	a.tenant, a.unknown = t, false
	return nil
}

// move puts the connection under the law of its tenant, which is not asked yet.
func (a *arrival) move() { a.conn.Reassign(a.tenant.Account) }

// admit gives the connection to its tenant for good, unless that refuses it.
func (a *arrival) admit() error {
	a.tenant.Warm(a.proxy.ctx)
	return a.conn.Admit(a.tenant.Account)
}

// arrivalKey finds an arrival in the context of its handshake.
type arrivalKey struct{}

// greeted is called by crypto/tls when a ClientHello has come.
func greeted(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	a, ok := hello.Context().Value(arrivalKey{}).(*arrival)
	if !ok {
		return nil, nil
	}
	a.hello.Greeted, a.hello.Name = true, serverName(hello.ServerName)
	a.hello.ALPN = a.listener.negotiate(hello.SupportedProtos)
	switch err := a.route(); {
	case a.unknown && (err != nil || a.alerts()):
		// What crypto/tls says where it has no certificate is that it does
		// not know the name. Without tickets, lest it resumes.
		return &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}, nil
	case err != nil:
		return nil, err
	}
	a.move()
	return nil, nil
}

// alerts reports whether a stranger is told by an alert.
func (a *arrival) alerts() bool {
	s, ok := a.tenant.Home.(stranger)
	return ok && s.why.Alert
}

// negotiate returns the protocol that ALPN will agree on.
func (l *Listener) negotiate(offered []string) string {
	for _, p := range l.tlsConfig.NextProtos {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}

// shake shakes hands, under the law of phase Handshake.
func (a *arrival) shake() (*tls.Conn, error) {
	tc := tls.Server(a.conn, a.listener.tlsConfig)
	err := tc.HandshakeContext(context.WithValue(context.Background(), arrivalKey{}, a))
	if err == nil {
		return tc, nil
	}
	if why, ok := a.tenant.Home.(stranger); ok && a.hello.Greeted {
		a.log("connection without a tenant", why.why)
	} else {
		a.log("tls handshake failed", err)
	}
	return nil, err
}

// log writes why a connection ends before it has begun.
func (a *arrival) log(what string, err error) {
	more := []any{slog.String("listener", a.listener.Name), slog.Any("peer", a.hello.Peer)}
	if a.conn != nil {
		more = append(more, slog.Uint64("conn", a.conn.ID()))
	}
	if a.hello.Greeted {
		more = append(more, slog.String("name", a.hello.Name))
	}
	a.proxy.log.Debug(what, append(more, slog.String("error", err.Error()))...)
}
