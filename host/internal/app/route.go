package app

import (
	"fmt"

	"idlehost/host/internal/proxy"
	"idlehost/host/internal/proxy/httpproxy"
)

// Route says whose a connection is.
func (f *front) Route(h *proxy.Hello) (proxy.Tenant, error) {
	l := &f.ground.Load().listener
	switch l.TenantBy {
	case "host":
		return proxy.Tenant{Account: f.app.lobby, Home: f.lobby}, nil
	case "sni":
		if !h.Greeted {
			return proxy.Tenant{Account: f.app.lobby, Home: f.lobby}, nil
		}
		m, ok := f.app.members.roster.Host(h.Name)
		return f.enter(m, ok, h.Name)
	case "destination":
		m, ok := f.app.members.roster.Destination(h.Destination)
		return f.enter(m, ok, h.Destination.String())
	}
	m := f.app.members.get(l.Tenant)
	return f.enter(m, m != nil, l.Tenant)
}

// enter lets a connection in to a member, or to whom those belong that name
// none. A listener that is for one tenant has no use for another.
func (f *front) enter(m *member, known bool, name string) (proxy.Tenant, error) {
	l := &f.ground.Load().listener
	if !known && l.TenantBy != "listener" {
		m = f.unknown()
	}
	if m == nil {
		return proxy.Tenant{}, proxy.Unknown{Text: fmt.Sprintf("nobody answers for %q here", name), Alert: l.TenantBy == "sni"}
	}
	return f.at(m), nil
}

// at returns a member as package proxy has it.
func (f *front) at(m *member) proxy.Tenant {
	h, ok := f.homes.Load(m)
	if !ok {
		h, _ = f.homes.LoadOrStore(m, &home{front: f, member: m})
		select {
		case <-m.gone: // edge.forget may have been here before
			f.homes.Delete(m)
		default:
		}
	}
	return proxy.Tenant{Account: m.accepted, Home: h.(*home)}
}

// unknown returns who gets connections that name nobody; nil: they are refused.
func (f *front) unknown() *member {
	c := f.app.members.configured()
	if c.Tenants.Unknown == "refuse" {
		return nil
	}
	return f.app.members.get(c.Tenants.Default)
}

// lobby is where connections are until their first request says whose they are.
type lobby struct{ front *front }

// Site returns none: nobody is served in a lobby.
func (*lobby) Site() *httpproxy.Site { return nil }

// Owns lets every host ask.
func (*lobby) Owns(string) bool { return true }

// Enter finds the tenant of a host.
func (l *lobby) Enter(host string) (proxy.Tenant, error) {
	m, ok := l.front.app.members.roster.Host(host)
	return l.front.enter(m, ok, host)
}

var _ proxy.Lobby = (*lobby)(nil)
