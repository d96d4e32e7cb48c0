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
	"idlehost/host/internal/proxy/httpproxy"
	"idlehost/host/internal/proxy/upstream"
)

// home is where the requests are at that come to a member through a front.
type home struct {
	front  *front
	member *member
	built  atomic.Pointer[built]
}

// built is a site with what it was built from.
type built struct {
	site     *httpproxy.Site
	ground   *ground
	standing *standing
}

// ground is what a listener brings to every site.
type ground struct {
	listener config.Listener
	routes   httpproxy.Routes
	trusted  []netip.Prefix
}

func newGround(c *config.Config, l config.Listener) *ground {
	g := &ground{listener: l, trusted: prefixes(l.TrustedProxies)}
	for _, r := range c.Routes {
		g.routes = append(g.routes, httpproxy.Route{Prefix: r.Prefix, Class: uint16(r.Class)})
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

// Site returns what serves the next request: the upstreams and routes of now,
// also for a connection that is older.
func (h *home) Site() *httpproxy.Site {
	ground, standing := h.front.ground.Load(), h.member.standing.Load()
	if b := h.built.Load(); b != nil && b.ground == ground && b.standing == standing {
		return b.site
	}
	b := &built{site: h.member.site(ground, standing), ground: ground, standing: standing}
	h.built.Store(b)
	return b.site
}

// Owns reports whether requests for a host may be served on the member's
// connections: all but those that are another's.
func (h *home) Owns(host string) bool {
	g := h.front.ground.Load().listener
	if g.TenantBy != "host" && g.TenantBy != "sni" {
		return true
	}
	owner, known := h.front.app.members.roster.Host(host)
	if known {
		return owner == h.member
	}
	return g.TenantBy == "sni" || h.front.unknown() == h.member
}

// Warm has the member's policy loaded before it is asked about a connection.
func (h *home) Warm(ctx context.Context) { h.member.tenant.Warm(ctx) }

// site builds what serves a member's requests on a listener.
func (m *member) site(g *ground, s *standing) *httpproxy.Site {
	site := &httpproxy.Site{
		RewriteHost: s.config.Upstream.RewriteHost || s.spec.RewriteHost, Routes: g.routes, Trusted: g.trusted,
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
		m.app.logger.Error("upstreams not usable", "tenant", m.name, "listener", g.listener.Name, "error", err)
	}
	site.Upstream = group
	return site
}

// targets returns where a member's connections to a listener go: its own
// upstreams, else the listener's, else the host's; none: the demo.
func targets(s *standing, l config.Listener) []string {
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
func groupKey(s *standing, targets []string) string {
	u := s.config.Upstream
	key := fmt.Sprint(strings.Join(targets, " "), "|", u.DialTimeout, "|", u.Insecure)
	if u.CA != "" {
		key += fmt.Sprintf("|%s|%p", u.CA, s.config)
	}
	return key
}

// errClosed is why a member that has been dismissed makes no more connections.
var errClosed = errors.New("the tenant is closed")

// group returns the group of a list of targets.
func (m *member) group(s *standing, targets []string) (*upstream.Group, error) {
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
		Governor: m.app.governor, Account: m.dialled, Targets: targets, TLS: trust, DialTimeout: u.DialTimeout.D(),
	})
	if err != nil {
		return nil, err
	}
	m.groups[key] = g
	return g, nil
}

// prune closes the groups that no listener sends the member's requests to any
// more. What is under way goes on.
func (m *member) prune() {
	s := m.standing.Load()
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

var _ httpproxy.Home = (*home)(nil)
