package app

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"idlehost/host/internal/config"
	"idlehost/host/internal/proxy"
)

// front is one listener with the proxy behind it. A reload may change its
// site; whatever else changes makes another front on the same socket, while
// the old one goes on serving the connections that it has.
type front struct {
	edgeConfig
	listener   config.Listener
	socket     *socket
	certs      *proxy.Certificates    // nil: no TLS
	ground     atomic.Pointer[ground] // what a reload may change
	homes      sync.Map               // of *home by *member
	unassigned *lobby

	proxy *proxy.Proxy
	stop  context.CancelFunc // of Serve; nil until it is started
	ended chan struct{}      // closed when Serve has returned
}

// like reports whether a listener of the configuration differs in nothing but
// what a site holds.
func (f *front) like(l config.Listener) bool {
	return f.listener.Name == l.Name && f.listener.Address == l.Address &&
		f.listener.Protocol == l.Protocol && f.listener.HeaderTable == l.HeaderTable &&
		slices.Equal(f.listener.TLS, l.TLS) && slices.Equal(f.listener.ProxyFrom, l.ProxyFrom)
}

// start builds the proxy and accepts until stopAccepting. The socket's former
// front must have stopped.
func (f *front) start() error {
	p, err := proxy.New(proxy.Config{
		Governor: f.governor, Router: f, Unrouted: f.lobby, Logger: f.logger, HeaderTable: f.listener.HeaderTable || !f.governor.Parks(),
		Listeners: []proxy.Listener{{
			Listener: f.socket.open(), Name: f.listener.Name, TLS: f.certs, TCP: f.listener.Protocol == "tcp",
			ProxyFrom: prefixes(f.listener.ProxyFrom),
		}},
	})
	if err != nil {
		return fmt.Errorf("listener %s: %w", f.listener.Name, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f.proxy, f.stop = p, stop
	go func() { // stopAccepting waits for it
		defer close(f.ended)
		p.Serve(ctx)
	}()
	return nil
}

// stopAccepting returns when no more connections come. Those there are go on.
func (f *front) stopAccepting() {
	if f.stop != nil {
		f.stop()
		<-f.ended
	}
}

// renew reads certificates again. One that cannot be read stays as it was.
func (f *front) renew() {
	if f.certs == nil {
		return
	}
	if err := f.certs.Reload(); err != nil {
		f.logger.Error("certificate not reloaded, the old one stays", "listener", f.listener.Name, "error", err)
	}
}

// url is what a person types to reach the front.
func (f *front) url() string {
	scheme := "http"
	switch {
	case f.listener.Protocol == "tcp":
		scheme = "tcp"
	case f.certs != nil:
		scheme = "https"
	}
	return scheme + "://" + reachable(f.socket.inner.Addr())
}

// reachable turns an address that stands for every interface into one that
// can be connected to.
func reachable(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(t.Port))
}

// line tells a person what the front does.
func (f *front) line() string {
	speaks := "HTTP/1.1 and HTTP/2 (prior knowledge)"
	switch {
	case f.listener.Protocol == "tcp" && f.certs != nil:
		speaks = "TCP within TLS"
	case f.listener.Protocol == "tcp":
		speaks = "TCP"
	case f.certs != nil:
		speaks = "HTTP/2 and HTTP/1.1"
	}
	return fmt.Sprintf("%s, %s -> %s", f.url(), speaks, f.whither()) + f.rule()
}

// rule tells a person who decides, where all connections are one tenant's.
func (f *front) rule() string {
	l := f.ground.Load().listener
	m := f.members.get(l.Tenant)
	switch {
	case l.TenantBy != "listener":
		return ""
	case m == nil:
		return ", which there is not yet"
	}
	return ", " + m.rule()
}

// whither tells a person where it goes.
func (f *front) whither() string {
	l := f.ground.Load().listener
	switch l.TenantBy {
	case "sni":
		return "the tenant whose server name is asked for" + f.others()
	case "host":
		return "the tenant whose host is asked for" + f.others()
	case "destination":
		return "the tenant whose destination the PROXY protocol names" + f.others()
	}
	m := f.members.get(l.Tenant)
	if m == nil {
		return "tenant " + l.Tenant
	}
	return m.whither(l)
}

// others tells where those go that name no tenant.
func (f *front) others() string {
	if m := f.unknown(); m != nil {
		return "; others to " + m.whither(f.ground.Load().listener)
	}
	return "; others are refused"
}

// whither tells a person where a member's requests to a listener go.
func (m *member) whither(l config.Listener) string {
	if to := targets(m.standing.Load(), l); len(to) > 0 {
		return strings.Join(to, ", ")
	}
	return theDemo
}

const theDemo = "the built-in demo"
