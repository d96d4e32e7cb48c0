package app

import (
	"log/slog"
	"slices"

	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
	"idlehost/host/internal/tenant/spec"
)

// declaration is a tenant of the configuration.
type declaration struct {
	path     string // of its keys: "tenant[1].", or "" for the default tenant
	name     string
	spec     spec.Spec
	module   *module // nil: no policy is declared
	remedies policy.Remedies
	optional bool // the host serves where the policy does not load
}

// declarations returns the tenants of the configuration, the default one first.
func declarations(c *config.Config) ([]*declaration, error) {
	first := &declaration{name: c.Tenants.Default, remedies: c.Plugin.Remedies(), optional: c.Plugin.Optional()}
	all := []*declaration{first}
	var err error
	if first.module, err = findModule(c, "", c.Plugin); err != nil {
		return nil, err
	}
	for i, t := range c.Declared {
		normal, _ := spec.Normalize(t.Spec) // the configuration has been checked
		d := &declaration{
			path: config.Index("tenant", i) + ".", name: t.Name, spec: normal, remedies: t.Plugin.Remedies(),
			optional: t.Plugin.Optional(),
		}
		if d.module, err = findModule(c, d.path, t.Plugin); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// declare puts the declared tenants of a configuration in force, and has every
// other go by it.
func (h *hosting) declare(c *config.Config, arrivals []*arrival) {
	ms := h.tenants
	ms.change.Lock()
	defer ms.change.Unlock()
	ms.makeRoomLocked(h.logger, arrivals)
	ms.mu.Lock()
	ms.config, ms.terms = c, termsOf(c)
	ms.mu.Unlock()
	declared := map[string]bool{}
	for _, r := range arrivals {
		declared[r.name] = true
		h.settleLocked(c, r)
	}
	for _, m := range ms.all() {
		s := *m.snapshot.Load()
		switch {
		case declared[m.name]:
			continue
		case s.declared:
			h.dismissLocked(m)
			continue
		}
		s.config, s.terms = c, ms.terms
		m.settle(&s, nil, policy.FaultNone)
	}
	ones := slices.DeleteFunc(ms.all(), func(m *tenantRuntime) bool { return !declared[m.name] })
	ms.mu.Lock()
	ms.declared = ones
	ms.mu.Unlock()
}

// makeRoomLocked notes what names the declared tenants claim, and takes from
// every tenant those that it has no longer: a name can move to another tenant
// without being nobody's meanwhile.
func (ms *tenants) makeRoomLocked(log *slog.Logger, arrivals []*arrival) {
	ms.claimed = map[string]string{}
	for _, r := range arrivals {
		for _, key := range slices.Concat(r.spec.Hosts, r.spec.Destinations) {
			ms.claimed[key] = r.name
		}
	}
	for _, m := range ms.all() {
		s := m.snapshot.Load()
		for _, key := range slices.Concat(s.spec.Hosts, s.spec.Destinations) {
			if who := ms.claimed[key]; who != "" && who != m.name && !s.declared {
				log.Error("a declared tenant has this name too, and gets it", "tenant", m.name, "name", key, "declared", who)
			}
		}
		if err := ms.roster.Put(m.name, ms.keysLocked(m.name, s.spec), m); err != nil {
			log.Error("BUG: fewer names than before were not free", "tenant", m.name, "error", err)
		}
	}
}

// keysLocked returns what a tenant's connections are known by: what its spec
// says and no other declared tenant claims.
func (ms *tenants) keysLocked(name string, s spec.Spec) tenant.Keys {
	free := func(keys []string) []string {
		return slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
			who := ms.claimed[key]
			return who != "" && who != name
		})
	}
	return tenant.Keys{Hosts: free(s.Hosts), Destinations: free(s.Destinations)}
}

// settleLocked puts one declared tenant in force.
func (h *hosting) settleLocked(c *config.Config, r *arrival) {
	s := &tenantSnapshot{
		config: c, terms: h.tenants.terms, declared: true, spec: r.spec, remedies: r.remedies, module: r.module, missed: r.missed,
	}
	m := h.tenants.get(r.name)
	if m == nil {
		m = h.newRuntime(r.name, s)
	} else {
		s.record = m.snapshot.Load().record
	}
	m.settle(s, r.guest, r.lost)
	if err := h.tenants.roster.Put(m.name, h.tenants.keysLocked(m.name, s.spec), m); err != nil {
		h.logger.Error("BUG: names of a declared tenant were not free", "tenant", m.name, "error", err)
	}
}
