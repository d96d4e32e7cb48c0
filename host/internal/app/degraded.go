package app

import (
	"fmt"
	"slices"
	"strings"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
)

// degraded says why the host serves less than it was told to, one reason each.
func (a *App) degraded() []string {
	return slices.Concat(a.notReloaded(), a.tenants.notInForce(), a.storage.reasons(), a.evictor.Reasons())
}

// notReloaded says that an older configuration is in force than was asked for,
// and the first reason, of at most so many bytes.
func (a *App) notReloaded() []string {
	err := a.refused.Load()
	if err == nil {
		return nil
	}
	first, _, more := strings.Cut((*err).Error(), "\n")
	if len(first) > 300 {
		first = strings.ToValidUTF8(first[:300], "") + "..."
	}
	if more {
		first += " (the log has more)"
	}
	return []string{"configuration not reloaded, the one before is in force: " + first}
}

// mostNamed bounds how many policies are named that are not in force.
const mostNamed = 50

// notInForce names the policies, declared and uploaded, that should answer and
// could not be loaded.
func (ms *tenants) notInForce() (reasons []string) {
	for _, m := range ms.all() {
		s := m.snapshot.Load()
		if n := s.missed; n != nil {
			reasons = append(reasons, fmt.Sprintf("tenant %s: policy %s (%s) is not in force: %s; %s stays",
				m.name, n.module.name, policy.ShortDigest(n.module.digest), n.fault, s.module.name))
		}
		for _, l := range m.tenant.Losses() {
			reasons = append(reasons, fmt.Sprintf("tenant %s: %s is not in force: %s", m.name, s.called(l), l.Fault))
		}
	}
	if left := len(reasons) - mostNamed; left > 0 {
		reasons = append(reasons[:mostNamed], fmt.Sprintf("and %d more policies are not in force", left))
	}
	return reasons
}

// called is what people call a version.
func (s *tenantSnapshot) called(l tenant.Loss) string {
	name, short := "policy", policy.ShortDigest(l.Version.Digest)
	if l.Role != policy.RoleActive {
		name = l.Role.String()
	}
	if s.module != nil && s.module.digest == l.Version.Digest {
		return fmt.Sprintf("%s %s (%s)", name, s.module.name, short)
	}
	return name + " " + short
}
