package app

import (
	"context"
	"net/netip"
	"sync/atomic"

	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/route"
)

// routeTarget is a tenant as the target of a listener's connections.
type routeTarget struct {
	listener      *listener
	tenantRuntime *tenantRuntime
	built         atomic.Pointer[built]
}

// built is a site with what it was built from.
type built struct {
	site     *route.Site
	listener *listenerSnapshot
	tenant   *tenantSnapshot
}

// listenerSnapshot is a listener's configuration at one moment; it is replaced
// as a whole.
type listenerSnapshot struct {
	listener config.Listener
	classes  route.PathClasses
	trusted  []netip.Prefix
}

func newListenerSnapshot(c *config.Config, l config.Listener) *listenerSnapshot {
	g := &listenerSnapshot{listener: l, trusted: prefixes(l.TrustedProxies)}
	for _, r := range c.Routes {
		g.classes = append(g.classes, route.PathClass{Prefix: r.Prefix, Class: uint16(r.Class)})
	}
	return g
}

// prefixes reads addresses and networks, which the configuration has checked.
func prefixes(list []string) (networks []netip.Prefix) {
	for _, n := range list {
		if p, err := netip.ParsePrefix(n); err == nil {
			networks = append(networks, p.Masked())
		} else if ip, err := netip.ParseAddr(n); err == nil {
			ip = ip.Unmap()
			networks = append(networks, netip.PrefixFrom(ip, ip.BitLen()))
		}
	}
	return networks
}

// Account returns what governs the tenant's accepted connections.
func (h *routeTarget) Account() *idle.Account { return h.tenantRuntime.accepted }

// Site returns what serves the next request: the upstreams and routes of now,
// also on an older connection. It is not ok for a host of another tenant.
func (h *routeTarget) Site(host string) (*route.Site, bool) {
	l, t := h.listener.snapshot.Load(), h.tenantRuntime.snapshot.Load()
	b := h.built.Load()
	if b == nil || b.listener != l || b.tenant != t {
		b = &built{site: h.tenantRuntime.site(l, t), listener: l, tenant: t}
		h.built.Store(b)
	}
	return b.site, h.owns(&l.listener, host)
}

// owns reports whether requests for a host may be served on the tenant's
// connections: all but those for a host of another tenant.
func (h *routeTarget) owns(l *config.Listener, host string) bool {
	if l.TenantBy != "host" && l.TenantBy != "sni" {
		return true
	}
	owner, known := h.listener.tenants.roster.Host(host)
	if known {
		return owner == h.tenantRuntime
	}
	return l.TenantBy == "sni" || h.listener.unknown() == h.tenantRuntime
}

// Warm has the tenant's policy loaded before it is asked about a connection.
func (h *routeTarget) Warm(ctx context.Context) { h.tenantRuntime.tenant.Warm(ctx) }

var _ route.Target = (*routeTarget)(nil)
