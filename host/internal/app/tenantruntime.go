package app

import (
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/upstream"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant"
	"idlehost/host/internal/tenant/spec"
)

// tenantRuntime is a tenant while this host runs it: connections are assigned to
// it, and its policy decides about them.
type tenantRuntime struct {
	host     *hosting
	name     string
	tenant   *tenant.Tenant
	accepted *idle.Account // its clients
	dialled  *idle.Account // its connections to upstreams: another law and other books, the same policy
	quota    *engine.Quota // of what it uploads; the operator's own policies have none

	// snapshot is replaced by whoever holds tenants.change.
	snapshot atomic.Pointer[tenantSnapshot]

	taping taping // of its connections' lives

	gone      chan struct{} // closed when it is dismissed
	reverting atomic.Bool   // the janitor takes its canary back

	// remembering is held, for reading, while something learned is put into
	// the store; guards the following.
	remembering sync.RWMutex
	forgotten   bool // the store has it no more: what it learned is nobody's

	mu        sync.Mutex // guards the following
	groups    groups     // its upstreams, those in use
	preloaded *preloaded // loaded for a step that is about to be taken
	closed    bool
}

// tenantSnapshot is a tenant's configuration at one moment; it is replaced as a
// whole.
type tenantSnapshot struct {
	config   *config.Config
	terms    *terms // config's
	declared bool
	spec     spec.Spec
	remedies policy.Remedies
	module   *module       // the declared policy; nil: none
	missed   *failedLoad   // what was declared since, and could not be loaded; nil: nothing
	record   *store.Tenant // what the store has; nil: nothing
}

// groups are upstreams by what they were made from, so that a change of
// anything else keeps their pools.
type groups map[string]*upstream.Group

// upstreamsKept is how many upstream addresses the books remember.
const upstreamsKept = 256

// newRuntime returns a tenant that the native policy governs.
func (h *hosting) newRuntime(name string, s *tenantSnapshot) *tenantRuntime {
	m := &tenantRuntime{host: h, name: name, groups: groups{}, gone: make(chan struct{}), quota: h.newQuota(name, s.spec.Limits)}
	m.snapshot.Store(s)
	m.tenant = tenant.New(tenant.Config{
		Name: name, Logger: h.logger, Remedies: &s.remedies,
		Loader: loader{m}, States: m.states(), Loads: h.loads,
		Worth: s.config.Timeouts.Worth.D(), Shadowed: m.shadowed,
	})
	c := s.config
	kept := books.New(books.Config{Clients: c.Limits.Clients, Classes: config.MaxClass + 1, LateWithin: c.Timeouts.Window()})
	// What upstreams do between requests says nothing about clients.
	pools := books.New(books.Config{Clients: upstreamsKept, Classes: config.MaxClass + 1})
	m.accepted = s.terms.accepted.Account(name, m.tenant, kept, acceptedLimits(s))
	m.dialled = s.terms.dialled.Account(name, m.tenant, pools, dialledLimits(s))
	idle.Together(m.accepted, m.dialled)
	h.recordings.join(m)
	return m
}

// newQuota returns what a tenant may use for its own policies.
func (h *hosting) newQuota(name string, l spec.Limits) *engine.Quota {
	return engine.NewQuota(engine.QuotaConfig{
		Owner: name, FuelPerSecond: l.FuelPerSecond, CPUPerSecond: l.CPU.D(), Charged: func(cpu time.Duration) { h.metrics.Charged(name, cpu) },
	})
}

// settle puts a snapshot of a tenant in force, and hands over the declared policy
// that was loaded for it, or why that could not be.
func (m *tenantRuntime) settle(s *tenantSnapshot, loaded tenant.Guest, lost policy.Fault) {
	m.snapshot.Store(s)
	m.describe()
	m.accepted.SetTerms(s.terms.accepted, acceptedLimits(s))
	m.dialled.SetTerms(s.terms.dialled, dialledLimits(s))
	m.tenant.SetWorth(s.config.Timeouts.Worth.D())
	m.quota.SetFuelPerSecond(s.spec.Limits.FuelPerSecond)
	m.quota.SetCPUPerSecond(s.spec.Limits.CPU.D())
	if m.host.workers != nil {
		m.host.workers.Isolate(m.name, s.spec.OwnWorker())
	}
	m.host.lines.SetTenantRate(m.name, s.spec.Limits.LogRate, s.spec.Limits.LogBurst)
	m.tenant.SetRemedies(s.remedies)
	m.tenant.Set(m.plan(s, loaded, lost))
	m.prune()
}

// plan says which versions are asked.
func (m *tenantRuntime) plan(s *tenantSnapshot, loaded tenant.Guest, lost policy.Fault) tenant.Plan {
	if s.module != nil {
		lane := &tenant.RoleVersion{Version: s.module.version(), Lost: lost}
		if loaded != nil {
			lane.Guest = loaded
		}
		return tenant.Plan{Active: lane}
	}
	if s.record == nil {
		return tenant.Plan{}
	}
	r := &s.record.Rollout
	return tenant.Plan{
		Active: m.lane(r.Active), Canary: m.lane(r.Canary), Shadow: m.lane(r.Shadow), Percent: r.Percent,
		Guard: s.spec.Guard,
	}
}

// lane returns the lane of a release, with what was loaded to try it.
func (m *tenantRuntime) lane(r *spec.Release) *tenant.RoleVersion {
	if r == nil {
		return nil
	}
	l := &tenant.RoleVersion{Version: tenant.Version{Digest: r.Digest, Params: r.Params}}
	if g := m.takePreloaded(r); g != nil {
		l.Guest = g
	}
	return l
}

// shadowed passes on what a shadow has answered.
func (m *tenantRuntime) shadowed(ask *policy.Ask, _, shadow policy.Verdict) {
	if t := m.taping.tape.Load(); t != nil {
		t.Shadowed(ask, shadow)
	}
	m.host.decisions.Shadowed(m.accepted, ask, shadow)
}

// close ends all that the tenant has. Its connections must have ended.
func (m *tenantRuntime) close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.dropPreloaded()
	m.mu.Lock()
	for _, g := range m.groups {
		g.Close()
	}
	m.groups = groups{}
	m.mu.Unlock()
	return m.tenant.Close()
}
