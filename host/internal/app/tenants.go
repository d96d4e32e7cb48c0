package app

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant"
)

// tenants are the tenants of this host. Changes come one at a time, from the
// configuration and from the store.
type tenants struct {
	roster *tenant.Roster[*tenantRuntime]

	change  sync.Mutex        // held through a change of one or several tenants; guards the following
	claimed map[string]string // hosts and destinations of declared tenants, with whose they are

	mu     sync.Mutex // guards the following
	config *config.Config
	terms  *terms // config's
	// declared are the tenants of the configuration, by name. It is replaced
	// as a whole.
	declared []*tenantRuntime
}

func newTenants(c *config.Config) *tenants {
	return &tenants{config: c, terms: termsOf(c), roster: tenant.NewRoster[*tenantRuntime]()}
}

// configured returns the configuration that the tenants go by.
func (ms *tenants) configured() *config.Config {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.config
}

// declaredOnes returns the tenants of the configuration, by name.
func (ms *tenants) declaredOnes() []*tenantRuntime {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.declared
}

// digest returns what people call the version that plays a role for a tenant.
func (ms *tenants) digest(name string, role policy.Role) string {
	if m := ms.get(name); m != nil {
		return policy.ShortDigest(m.tenant.DigestOf(role))
	}
	return ""
}

// guests counts the versions that have a living instance.
func (ms *tenants) guests() (n int) {
	for _, m := range ms.all() {
		n += m.tenant.Loaded()
	}
	return n
}

// close ends every tenant. Their connections have ended.
func (ms *tenants) close() error {
	var errs []error
	for _, m := range ms.all() {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// get returns the tenant of that name; nil if there is none.
func (ms *tenants) get(name string) *tenantRuntime {
	m, _ := ms.roster.Name(name)
	return m
}

// all returns the tenants by name.
func (ms *tenants) all() []*tenantRuntime {
	list := make([]*tenantRuntime, 0, ms.roster.Len())
	ms.roster.Each(func(_ string, m *tenantRuntime) bool {
		list = append(list, m)
		return true
	})
	slices.SortFunc(list, func(a, b *tenantRuntime) int { return strings.Compare(a.name, b.name) })
	return list
}

// inCharge returns the declared policy that answers for a tenant; nil: none is
// declared, or it could not be loaded.
func (ms *tenants) inCharge(name string) *module {
	m := ms.get(name)
	if m == nil || m.lost() != nil {
		return nil
	}
	return m.snapshot.Load().module
}
