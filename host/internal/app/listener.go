package app

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"idlehost/host/internal/config"
	"idlehost/host/internal/proxy"
)

// listener is one address with the proxy behind it. A reload may change its
// site; whatever else changes makes another listener on the same socket, while
// the old one goes on serving the connections that it has.
type listener struct {
	listenersConfig
	config   config.Listener
	socket   *socket
	certs    *proxy.Certificates              // nil: no TLS
	snapshot atomic.Pointer[listenerSnapshot] // what a reload may change
	targets  sync.Map                         // of *routeTarget by *tenantRuntime
	assigner *unassigned

	proxy *proxy.Proxy
	stop  context.CancelFunc // of Serve; nil until it is started
	ended chan struct{}      // closed when Serve has returned
}

// like reports whether a listener of the configuration differs in nothing but
// what a site holds.
func (f *listener) like(l config.Listener) bool {
	return f.config.Name == l.Name && f.config.Address == l.Address &&
		f.config.Protocol == l.Protocol && f.config.HeaderTable == l.HeaderTable &&
		slices.Equal(f.config.TLS, l.TLS) && slices.Equal(f.config.ProxyFrom, l.ProxyFrom)
}

// start builds the proxy and accepts until stopAccepting. The socket's former
// listener must have stopped.
func (f *listener) start() error {
	p, err := proxy.New(proxy.Config{
		Governor: f.governor, Router: f, Unrouted: f.unassigned, Logger: f.logger, HeaderTable: f.config.HeaderTable || !f.governor.Parks(),
		Listeners: []proxy.Listener{{
			Listener: f.socket.open(), Name: f.config.Name, TLS: f.certs, TCP: f.config.Protocol == "tcp",
			ProxyFrom: prefixes(f.config.ProxyFrom),
		}},
	})
	if err != nil {
		return fmt.Errorf("listener %s: %w", f.config.Name, err)
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
func (f *listener) stopAccepting() {
	if f.stop != nil {
		f.stop()
		<-f.ended
	}
}

// renew reads certificates again. One that cannot be read stays as it was.
func (f *listener) renew() {
	if f.certs == nil {
		return
	}
	if err := f.certs.Reload(); err != nil {
		f.logger.Error("certificate not reloaded, the old one stays", "listener", f.config.Name, "error", err)
	}
}

// url is what a person types to reach the listener.
func (f *listener) url() string {
	scheme := "http"
	switch {
	case f.config.Protocol == "tcp":
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

// line tells a person what the listener does.
func (f *listener) line() string {
	speaks := "HTTP/1.1 and HTTP/2 (prior knowledge)"
	switch {
	case f.config.Protocol == "tcp" && f.certs != nil:
		speaks = "TCP within TLS"
	case f.config.Protocol == "tcp":
		speaks = "TCP"
	case f.certs != nil:
		speaks = "HTTP/2 and HTTP/1.1"
	}
	return fmt.Sprintf("%s, %s -> %s", f.url(), speaks, f.whither()) + f.rule()
}

// rule tells a person who decides, where all connections are one tenant's.
func (f *listener) rule() string {
	l := f.snapshot.Load().listener
	m := f.tenants.get(l.Tenant)
	switch {
	case l.TenantBy != "listener":
		return ""
	case m == nil:
		return ", which there is not yet"
	}
	return ", " + m.rule()
}

// whither tells a person where it goes.
func (f *listener) whither() string {
	l := f.snapshot.Load().listener
	switch l.TenantBy {
	case "sni":
		return "the tenant whose server name is asked for" + f.others()
	case "host":
		return "the tenant whose host is asked for" + f.others()
	case "destination":
		return "the tenant whose destination the PROXY protocol names" + f.others()
	}
	m := f.tenants.get(l.Tenant)
	if m == nil {
		return "tenant " + l.Tenant
	}
	return m.whither(l)
}

// others tells where those go that name no tenant.
func (f *listener) others() string {
	if m := f.unknown(); m != nil {
		return "; others to " + m.whither(f.snapshot.Load().listener)
	}
	return "; others are refused"
}

const theDemo = "the built-in demo"
