package app

import (
	"context"
	"fmt"
	"net/http"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/route"
)

// Route says which tenant a connection belongs to.
func (f *listener) Route(c *route.ConnInfo) (route.Target, error) {
	l := &f.snapshot.Load().listener
	var m *tenantRuntime
	var known bool
	name := l.Tenant
	switch l.TenantBy {
	case "host":
		return f.assigner, nil
	case "sni":
		if !c.HelloRead {
			return f.assigner, nil
		}
		name = c.ServerName
		m, known = f.tenants.roster.Host(name)
	case "destination":
		name = c.Destination.String()
		m, known = f.tenants.roster.Destination(c.Destination)
	default:
		m = f.tenants.get(name)
		known = m != nil
	}
	t, err := f.enter(m, known, name)
	if err != nil {
		return nil, &route.Refusal{Status: http.StatusMisdirectedRequest, Text: err.Error(), Close: true, Alert: l.TenantBy == "sni"}
	}
	return t, nil
}

// enter returns a tenant as a target; where the name is unknown, the tenant that
// serves unknown names. A listener of one tenant has no other.
func (f *listener) enter(m *tenantRuntime, known bool, name string) (route.Target, error) {
	if !known && f.snapshot.Load().listener.TenantBy != "listener" {
		m = f.unknown()
	}
	if m == nil {
		return nil, fmt.Errorf("nobody answers for %q here", name)
	}
	return f.at(m), nil
}

// at returns a tenant as the target of the listener's connections.
func (f *listener) at(m *tenantRuntime) *routeTarget {
	h, ok := f.targets.Load(m)
	if !ok {
		h, _ = f.targets.LoadOrStore(m, &routeTarget{listener: f, tenantRuntime: m})
		select {
		case <-m.gone: // listeners.forget may have been here before
			f.targets.Delete(m)
		default:
		}
	}
	return h.(*routeTarget)
}

// unknown returns the tenant that gets connections which match no tenant; nil: they
// are refused.
func (f *listener) unknown() *tenantRuntime {
	c := f.tenants.configured()
	if c.Tenants.Unknown == "refuse" {
		return nil
	}
	return f.tenants.get(c.Tenants.Default)
}

// unassigned is the target of connections until their first request names a host,
// and so a tenant.
type unassigned struct{ listener *listener }

// Account returns that of connections without a tenant.
func (l *unassigned) Account() *idle.Account { return l.listener.unassigned }

// Warm does nothing.
func (*unassigned) Warm(context.Context) {}

// Site returns none: a request is served once its connection is assigned.
func (*unassigned) Site(string) (*route.Site, bool) { return nil, false }

// Assign finds the tenant of a host.
func (l *unassigned) Assign(host string) (route.Target, error) {
	m, ok := l.listener.tenants.roster.Host(host)
	return l.listener.enter(m, ok, host)
}

var _ route.Unassigned = (*unassigned)(nil)
