package app

import (
	"fmt"
	"slices"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
)

// degraded says why the host serves less than it was told to, one reason each.
func (a *App) degraded() []string {
	return slices.Concat(a.members.notInForce(), a.storage.reasons())
}

// notInForce names the declared policies that could not be loaded.
func (ms *members) notInForce() (reasons []string) {
	for _, m := range ms.declaredOnes() {
		if s := m.standing.Load(); s.module != nil && s.lost != policy.FaultNone {
			reasons = append(reasons, fmt.Sprintf("tenant %s: policy %s (%s) is not in force: %s",
				m.name, s.module.name, tenant.Short(s.module.digest), s.lost))
		}
	}
	return reasons
}
