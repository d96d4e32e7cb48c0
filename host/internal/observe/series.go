package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// series holds one tenant's counters of the hot paths, found once.
type series struct {
	name        string
	asks        [kinds][outcomes]prometheus.Counter
	askTime     [kinds]prometheus.Observer
	faults      [faults]prometheus.Counter
	gaps        prometheus.Observer
	lost        prometheus.Counter
	reconnected prometheus.Counter
	suppressed  prometheus.Counter
}

const (
	kinds    = int(abi.KindClose) + 1
	outcomes = outcomeFallback + 1
	faults   = int(policy.FaultBreaker) + 1
)

// Outcomes of a question. The first three are abi.Action's, by number.
const (
	outcomeNative   = 3
	outcomeFallback = 4
)

var outcomeNames = [outcomes]string{"default", "extend", "close", "native", "fallback"}

func outcomeOf(v policy.Verdict) int {
	switch {
	case v.Source == policy.SourceNative:
		return outcomeNative
	case v.Source == policy.SourceFallback || v.Action > abi.ActionClose:
		return outcomeFallback
	}
	return int(v.Action)
}

// of returns a tenant's series; every tenant past maxTenants has one together.
func (m *Metrics) of(tenant string) *series {
	if s, ok := m.tenants.Load(tenant); ok {
		return s.(*series)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.tenants.Load(tenant); ok {
		return s.(*series)
	}
	if m.known >= maxTenants {
		tenant = otherTenant
		if s, ok := m.tenants.Load(tenant); ok {
			return s.(*series)
		}
	}
	m.known++
	s := m.newSeries(tenant)
	m.tenants.Store(tenant, s)
	return s
}

func (m *Metrics) newSeries(tenant string) *series {
	s := &series{
		name:        tenant,
		gaps:        m.gaps.WithLabelValues(tenant),
		lost:        m.late.WithLabelValues(tenant, "lost"),
		reconnected: m.late.WithLabelValues(tenant, "reconnected"),
		suppressed:  m.suppressed.WithLabelValues(tenant),
	}
	for k := range kinds {
		event := abi.Kind(k).String()
		s.askTime[k] = m.askTime.WithLabelValues(tenant, event)
		for o, name := range outcomeNames {
			s.asks[k][o] = m.asks.WithLabelValues(tenant, event, name)
		}
	}
	for f := range faults {
		if cause := policy.Fault(f); cause != policy.FaultNone {
			s.faults[f] = m.faults.WithLabelValues(tenant, cause.String())
		} else {
			s.faults[f] = m.faults.WithLabelValues(tenant, "unknown")
		}
	}
	return s
}
