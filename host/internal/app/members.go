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

// members are the tenants of this host. Changes come one at a time, from the
// configuration and from the store.
type members struct {
	roster *tenant.Roster[*member]

	change  sync.Mutex        // held through a change of one or several members; guards the following
	claimed map[string]string // hosts and destinations of declared tenants, with whose they are

	mu     sync.Mutex // guards the following
	config *config.Config
	terms  *terms // config's
	// declared are the members of the configuration, by name. It is replaced
	// as a whole.
	declared []*member
}

func newMembers(c *config.Config) *members {
	return &members{config: c, terms: termsOf(c), roster: tenant.NewRoster[*member]()}
}

// configured returns the configuration that the members go by.
func (ms *members) configured() *config.Config {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.config
}

// declaredOnes returns the members of the configuration, by name.
func (ms *members) declaredOnes() []*member {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.declared
}

// digest returns what people call the version that plays a role for a tenant.
func (ms *members) digest(name string, role policy.Role) string {
	if m := ms.get(name); m != nil {
		return policy.ShortDigest(m.tenant.DigestOf(role))
	}
	return ""
}

// guests counts the versions that have a living instance.
func (ms *members) guests() (n int) {
	for _, m := range ms.all() {
		n += m.tenant.Loaded()
	}
	return n
}

// close ends every member. Their connections have ended.
func (ms *members) close() error {
	var errs []error
	for _, m := range ms.all() {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// get returns the member of that name; nil if there is none.
func (ms *members) get(name string) *member {
	m, _ := ms.roster.Name(name)
	return m
}

// all returns the members by name.
func (ms *members) all() []*member {
	list := make([]*member, 0, ms.roster.Len())
	ms.roster.Each(func(_ string, m *member) bool {
		list = append(list, m)
		return true
	})
	slices.SortFunc(list, func(a, b *member) int { return strings.Compare(a.name, b.name) })
	return list
}

// inCharge returns the declared policy that answers for a tenant; nil: none is
// declared, or it could not be loaded.
func (ms *members) inCharge(name string) *module {
	m := ms.get(name)
	if m == nil || m.lost() != nil {
		return nil
	}
	return m.standing.Load().module
}
