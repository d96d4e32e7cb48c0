package app

import (
	"context"
	"fmt"
	"net/http"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/route"
)

// Route says which member a connection belongs to.
func (f *front) Route(c *route.ConnInfo) (route.Target, error) {
	l := &f.ground.Load().listener
	var m *member
	var known bool
	name := l.Tenant
	switch l.TenantBy {
	case "host":
		return f.unassigned, nil
	case "sni":
		if !c.HelloRead {
			return f.unassigned, nil
		}
		name = c.ServerName
		m, known = f.members.roster.Host(name)
	case "destination":
		name = c.Destination.String()
		m, known = f.members.roster.Destination(c.Destination)
	default:
		m = f.members.get(name)
		known = m != nil
	}
	t, err := f.enter(m, known, name)
	if err != nil {
		return nil, &route.Refusal{Status: http.StatusMisdirectedRequest, Text: err.Error(), Close: true, Alert: l.TenantBy == "sni"}
	}
	return t, nil
}

// enter returns a member as a target; where the name is unknown, the member that
// serves unknown names. A listener of one tenant has no other.
func (f *front) enter(m *member, known bool, name string) (route.Target, error) {
	if !known && f.ground.Load().listener.TenantBy != "listener" {
		m = f.unknown()
	}
	if m == nil {
		return nil, fmt.Errorf("nobody answers for %q here", name)
	}
	return f.at(m), nil
}

// at returns a member as the target of the front's connections.
func (f *front) at(m *member) *home {
	h, ok := f.homes.Load(m)
	if !ok {
		h, _ = f.homes.LoadOrStore(m, &home{front: f, member: m})
		select {
		case <-m.gone: // edge.forget may have been here before
			f.homes.Delete(m)
		default:
		}
	}
	return h.(*home)
}

// unknown returns who gets connections that name nobody; nil: they are refused.
func (f *front) unknown() *member {
	c := f.members.configured()
	if c.Tenants.Unknown == "refuse" {
		return nil
	}
	return f.members.get(c.Tenants.Default)
}

// lobby is the target of connections until their first request says whose they
// are.
type lobby struct{ front *front }

// Account returns that of connections without a tenant.
func (l *lobby) Account() *idle.Account { return l.front.lobby }

// Warm does nothing.
func (*lobby) Warm(context.Context) {}

// Site returns none: a request is served once its connection is assigned.
func (*lobby) Site(string) (*route.Site, bool) { return nil, false }

// Assign finds the tenant of a host.
func (l *lobby) Assign(host string) (route.Target, error) {
	m, ok := l.front.members.roster.Host(host)
	return l.front.enter(m, ok, host)
}

var _ route.Unassigned = (*lobby)(nil)
