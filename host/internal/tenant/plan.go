package tenant

import (
	"slices"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant/spec"
)

// plan is a Plan in force. It does not change; its lanes do.
type plan struct {
	active   *lane // never nil
	canary   *lane
	shadow   *lane
	previous *lane // was active before; nil: none, or no remedy wants it
	plain    bool  // nothing but the native policy

	percent float64
	sides   sides
	since   time.Time // when the canary's clients became what they are
	guard   spec.Guard
	trial   trial
	beside  *beside // what the shadow needs; nil without one
}

// lanes returns those that there are.
func (p *plan) lanes() []*lane {
	return slices.DeleteFunc([]*lane{p.active, p.canary, p.shadow, p.previous}, func(l *lane) bool { return l == nil })
}

// residents returns the versions, each once.
func (p *plan) residents() (rs []*resident) {
	for _, l := range p.lanes() {
		if r := l.resident; r != nil && !slices.Contains(rs, r) {
			rs = append(rs, r)
		}
	}
	return rs
}

// lane returns the lane of a role; nil: there is none.
func (p *plan) lane(role policy.Role) *lane {
	switch role {
	case policy.RoleActive:
		return p.active
	case policy.RoleCanary:
		return p.canary
	case policy.RoleShadow:
		return p.shadow
	}
	return nil
}
