package app

import (
	"testing"

	"idlehost/host/internal/config"
	"idlehost/host/internal/tenant/spec"
)

func TestTenantLimitCountsClientsOnly(t *testing.T) {
	c := config.Default()
	c.Limits.TenantConnections = 7
	for own, want := range map[int]int{0: 7, 3: 3} {
		s := &tenantSnapshot{config: c, spec: spec.Spec{Limits: spec.Limits{Connections: own}}}
		if got, dialled := acceptedLimits(s).Connections, dialledLimits(s).Connections; got != want || dialled != 0 {
			t.Errorf("limit of its own %d: %d accepted and %d dialled, want %d and any", own, got, dialled, want)
		}
	}
}
