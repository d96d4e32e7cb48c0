package observe

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// series holds one tenant's counters of the hot paths, each made at its first
// use: most tenants need few of them.
type series struct {
	m           *Metrics
	name        string
	forgotten   bool // by Forget; guarded by m.mu
	asks        [kinds][outcomes]atomic.Pointer[prometheus.Counter]
	askTime     [kinds]atomic.Pointer[prometheus.Observer]
	faults      [faults]atomic.Pointer[prometheus.Counter]
	gaps        atomic.Pointer[prometheus.Observer]
	lost        atomic.Pointer[prometheus.Counter]
	reconnected atomic.Pointer[prometheus.Counter]
	returned    atomic.Pointer[prometheus.Counter]
	suppressed  atomic.Pointer[prometheus.Counter]
	undelivered atomic.Pointer[prometheus.Counter]
}

const (
	kinds    = int(abi.KindClose) + 1
	outcomes = outcomeFallback + 1
	faults   = policy.Faults
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

// of returns the series of an account's tenant. What is still to be told of a
// tenant that was removed makes it no new ones.
func (m *Metrics) of(a *idle.Account) *series {
	if s, ok := m.tenants.Load(a.Name); ok {
		return s.(*series)
	}
	if a.Retired() {
		return m.named(otherTenant)
	}
	return m.named(a.Name)
}

// named returns a tenant's series; every tenant past maxTenants has one
// together.
func (m *Metrics) named(tenant string) *series {
	if s, ok := m.tenants.Load(tenant); ok {
		return s.(*series)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.namedLocked(tenant)
}

func (m *Metrics) namedLocked(tenant string) *series {
	if tenant != otherTenant && m.known >= maxTenants {
		if s, ok := m.tenants.Load(tenant); ok {
			return s.(*series)
		}
		tenant = otherTenant
	}
	s := &series{m: m, name: tenant}
	if old, ok := m.tenants.LoadOrStore(tenant, s); ok {
		return old.(*series)
	}
	if tenant != otherTenant {
		m.known++
	}
	return s
}

// Forget gives up the series of a tenant that was removed, once its last
// connection has ended, for others to be told apart.
func (m *Metrics) Forget(tenant string) {
	if tenant == otherTenant {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.tenants.LoadAndDelete(tenant)
	if !ok {
		return
	}
	m.known--
	s.(*series).forgotten = true
	for _, v := range m.byTenant {
		v.DeletePartialMatch(prometheus.Labels{"tenant": tenant})
	}
}

// made returns what p holds, or creates it; of a tenant that is forgotten, the
// others' of the same labels.
func made[T any](s *series, p *atomic.Pointer[T], create func(tenant string) T) T {
	if v := p.Load(); v != nil {
		return *v
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.forgotten {
		return create(otherTenant)
	}
	v := create(s.name)
	p.Store(&v)
	return v
}

func (s *series) ask(kind, outcome int) prometheus.Counter {
	if c := s.asks[kind][outcome].Load(); c != nil {
		return *c
	}
	return made(s, &s.asks[kind][outcome], func(tenant string) prometheus.Counter {
		return s.m.asks.WithLabelValues(tenant, abi.Kind(kind).String(), outcomeNames[outcome])
	})
}

func (s *series) took(kind int) prometheus.Observer {
	if o := s.askTime[kind].Load(); o != nil {
		return *o
	}
	return made(s, &s.askTime[kind], func(tenant string) prometheus.Observer {
		return s.m.askTime.WithLabelValues(tenant, abi.Kind(kind).String())
	})
}

func (s *series) fault(f policy.Fault) prometheus.Counter {
	if c := s.faults[f].Load(); c != nil {
		return *c
	}
	return made(s, &s.faults[f], func(tenant string) prometheus.Counter {
		cause := "unknown"
		if f != policy.FaultNone {
			cause = f.String()
		}
		return s.m.faults.WithLabelValues(tenant, cause)
	})
}

func (s *series) gap() prometheus.Observer {
	if o := s.gaps.Load(); o != nil {
		return *o
	}
	return made(s, &s.gaps, func(tenant string) prometheus.Observer { return s.m.gaps.WithLabelValues(tenant) })
}

func (s *series) late(lost bool) prometheus.Counter {
	p, kind := &s.reconnected, "reconnected"
	if lost {
		p, kind = &s.lost, "lost"
	}
	if c := p.Load(); c != nil {
		return *c
	}
	return made(s, p, func(tenant string) prometheus.Counter { return s.m.late.WithLabelValues(tenant, kind) })
}

func (s *series) back() prometheus.Counter {
	if c := s.returned.Load(); c != nil {
		return *c
	}
	return made(s, &s.returned, func(tenant string) prometheus.Counter { return s.m.returned.WithLabelValues(tenant) })
}

func (s *series) leftOut() prometheus.Counter {
	return made(s, &s.suppressed, func(tenant string) prometheus.Counter { return s.m.suppressed.WithLabelValues(tenant) })
}

func (s *series) notDelivered() prometheus.Counter {
	return made(s, &s.undelivered, func(tenant string) prometheus.Counter { return s.m.undelivered.WithLabelValues(tenant) })
}
