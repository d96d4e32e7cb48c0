package control

import (
	"sync"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

// reservations are hosts and destinations that are about to become a tenant's: from
// before it is checked that nobody has them until they are in force. Without
// them, two tenants that are given the same host at once would both get it.
type reservations struct {
	mu sync.Mutex // guards the following
	by map[string]string
}

// reserve takes the keys of s; KindConflict where another tenant is being given
// one of them.
func (c *reservations) reserve(name string, s spec.Spec) (release func(), err error) {
	keys := append(append([]string(nil), s.Hosts...), s.Destinations...)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		if other, ok := c.by[k]; ok && other != name {
			return nil, api.NewProblem(api.KindConflict, "%s is just being given to another tenant", k)
		}
	}
	if c.by == nil {
		c.by = map[string]string{}
	}
	for _, k := range keys {
		c.by[k] = name
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, k := range keys {
			delete(c.by, k)
		}
	}, nil
}
