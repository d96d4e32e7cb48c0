package app

import (
	"cmp"

	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// acceptedLimits returns what a tenant's policy may decide on clients'
// connections: the host's own limits, but for what its spec says.
func acceptedLimits(s *tenantSnapshot) policy.Limits {
	l := dialledLimits(s)
	l.Connections = cmp.Or(s.spec.Limits.Connections, s.config.Limits.TenantConnections)
	l.ClientConnections = s.spec.Limits.ClientConnections
	return l
}

func dialledLimits(s *tenantSnapshot) policy.Limits {
	l := s.config.DialledLimits()
	l.Floor = cmp.Or(s.spec.Limits.Floor.D(), l.Floor)
	l.Ceiling = cmp.Or(s.spec.Limits.Ceiling.D(), l.Ceiling)
	if l.Ceiling > 0 {
		l.Floor = min(l.Floor, l.Ceiling)
	}
	return l
}

// terms are the timeouts of a configuration, which all tenants share.
type terms struct{ accepted, dialled *idle.Terms }

func termsOf(c *config.Config) *terms {
	return &terms{accepted: idle.NewTerms(c.Timeouts.Accepted()), dialled: idle.NewTerms(c.Timeouts.Dialled())}
}
