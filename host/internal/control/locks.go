package control

import (
	"context"
	"sync"
)

// tenantLocks has a lock for each tenant that something is being done to.
type tenantLocks struct {
	mu   sync.Mutex // guards the following
	open map[string]*tenantLock
}

// tenantLock is held while one at a time changes a tenant.
type tenantLock struct {
	users int // guarded by tenantLocks.mu
	// step holds an element while somebody changes the tenant. It is held for
	// as long as a policy takes to load.
	step chan struct{}
	// applying is held while a record is read and put in force. It may be taken
	// while step is held, and never the other way round.
	applying sync.Mutex
}

// take returns the lock of a tenant, until give.
func (rs *tenantLocks) take(name string) *tenantLock {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.open[name]
	if r == nil {
		r = &tenantLock{step: make(chan struct{}, 1)}
		if rs.open == nil {
			rs.open = map[string]*tenantLock{}
		}
		rs.open[name] = r
	}
	r.users++
	return r
}

func (rs *tenantLocks) give(name string, r *tenantLock) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.users--; r.users == 0 {
		delete(rs.open, name)
	}
}

// enter waits until nobody else changes the tenant.
func (rs *tenantLocks) enter(ctx context.Context, name string) (leave func(), err error) {
	r := rs.take(name)
	select {
	case r.step <- struct{}{}:
		return func() { <-r.step; rs.give(name, r) }, nil
	case <-ctx.Done():
		rs.give(name, r)
		return nil, ctx.Err()
	}
}
