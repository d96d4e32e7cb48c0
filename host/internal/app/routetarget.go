package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	"idlehost/host/internal/config"
	"idlehost/host/internal/demo"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/proxy/upstream"
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

// site builds what serves a tenant's requests on a listener.
func (m *tenantRuntime) site(g *listenerSnapshot, s *tenantSnapshot) *route.Site {
	site := &route.Site{
		RewriteHost: s.config.Upstream.RewriteHost || s.spec.RewriteHost, Classes: g.classes, Trusted: g.trusted,
	}
	list := targets(s, g.listener)
	if len(list) == 0 {
		if g.listener.Protocol != "tcp" && len(s.config.Upstream.Targets) == 0 {
			site.Local = demo.New()
		}
		return site
	}
	group, err := m.group(s, list)
	if err != nil && !errors.Is(err, errClosed) {
		m.host.logger.Error("upstreams not usable", "tenant", m.name, "listener", g.listener.Name, "error", err)
	}
	site.Upstream = group
	return site
}

// targets returns where a tenant's connections to a listener go: its own
// upstreams, else the listener's, else the host's; none: the demo.
func targets(s *tenantSnapshot, l config.Listener) []string {
	for _, list := range [][]string{s.spec.Upstreams, l.Upstream, s.config.Upstream.Targets} {
		if list = fitting(list, l.Protocol == "tcp"); len(list) > 0 {
			return list
		}
	}
	return nil
}

// fitting returns the targets that bytes, or requests, can be sent to.
func fitting(list []string, tcp bool) (fit []string) {
	for _, t := range list {
		if strings.HasPrefix(t, "tcp://") == tcp {
			fit = append(fit, t)
		}
	}
	return fit
}

// groupKey tells whether two groups would be the same. An authority's file may
// change without its name, so it counts anew with every configuration.
func groupKey(s *tenantSnapshot, targets []string) string {
	u := s.config.Upstream
	key := fmt.Sprint(strings.Join(targets, " "), "|", u.DialTimeout, "|", u.Insecure)
	if u.CA != "" {
		key += fmt.Sprintf("|%s|%p", u.CA, s.config)
	}
	return key
}

// errClosed is why a tenant that has been dismissed makes no more connections.
var errClosed = errors.New("the tenant is closed")

// group returns the group of a list of targets.
func (m *tenantRuntime) group(s *tenantSnapshot, targets []string) (*upstream.Group, error) {
	key := groupKey(s, targets)
	m.mu.Lock()
	defer m.mu.Unlock()
	if g := m.groups[key]; g != nil {
		return g, nil
	}
	if m.closed {
		return nil, errClosed
	}
	trust, err := trust(s.config)
	if err != nil {
		return nil, err
	}
	u := s.config.Upstream
	g, err := upstream.New(upstream.Config{
		Governor: m.host.governor, Account: m.dialled, Targets: targets, TLS: trust, DialTimeout: u.DialTimeout.D(),
	})
	if err != nil {
		return nil, err
	}
	m.groups[key] = g
	return g, nil
}

// prune closes the groups that no listener sends the tenant's requests to any
// more. What is under way goes on.
func (m *tenantRuntime) prune() {
	s := m.snapshot.Load()
	used := map[string]bool{}
	for _, l := range s.config.Listeners {
		used[groupKey(s, targets(s, l))] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, g := range m.groups {
		if !used[key] {
			g.Close()
			delete(m.groups, key)
		}
	}
}

var _ route.Target = (*routeTarget)(nil)
