package app

import (
	"errors"
	"fmt"
	"strings"

	"idlehost/host/internal/config"
	"idlehost/host/internal/demo"
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/proxy/upstream"
)

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

// errClosed is returned to a tenant that has been removed and asks for upstreams.
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

// whither tells a person where a tenant's requests to a listener go.
func (m *tenantRuntime) whither(l config.Listener) string {
	if to := targets(m.snapshot.Load(), l); len(to) > 0 {
		return strings.Join(to, ", ")
	}
	return theDemo
}
