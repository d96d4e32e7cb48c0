package control

import (
	"context"
	"sync"
)

// rooms has a room for each tenant that something is being done to.
type rooms struct {
	mu   sync.Mutex // guards the following
	open map[string]*room
}

// room is where one at a time changes a tenant.
type room struct {
	users int // guarded by rooms.mu
	// step holds an element while somebody changes the tenant. It is held for
	// as long as a policy takes to load.
	step chan struct{}
	// applying is held while a record is read and put in force. It may be taken
	// while step is held, and never the other way round.
	applying sync.Mutex
}

// take returns the room of a tenant, until give.
func (rs *rooms) take(name string) *room {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.open[name]
	if r == nil {
		r = &room{step: make(chan struct{}, 1)}
		if rs.open == nil {
			rs.open = map[string]*room{}
		}
		rs.open[name] = r
	}
	r.users++
	return r
}

func (rs *rooms) give(name string, r *room) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.users--; r.users == 0 {
		delete(rs.open, name)
	}
}

// enter waits until nobody else changes the tenant.
func (rs *rooms) enter(ctx context.Context, name string) (leave func(), err error) {
	r := rs.take(name)
	select {
	case r.step <- struct{}{}:
		return func() { <-r.step; rs.give(name, r) }, nil
	case <-ctx.Done():
		rs.give(name, r)
		return nil, ctx.Err()
	}
}
