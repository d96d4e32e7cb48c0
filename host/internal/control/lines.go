package control

import (
	"context"
	"sync"
	"time"
)

const (
	// maxWaiting is how many uploads of a tenant wait for its one that is under
	// way.
	maxWaiting = 2
	// maxBodies is how many uploads are under way over all tenants: as many
	// modules are in memory. The Runtime has the tenants take turns at being
	// checked, so one that sends slowly holds up nobody's check.
	maxBodies = 32
	// busyRetry is what KindBusy advises.
	busyRetry = 2 * time.Second
)

// lines is where uploads wait, a line for each tenant.
type lines struct {
	mu     sync.Mutex // guards the following
	open   map[string]*line
	bodies int
}

type line struct {
	users int           // guarded by lines.mu: under way, and waiting
	turn  chan struct{} // holds an element while an upload is under way
}

// enter waits for the tenant's turn; KindBusy where too many do already.
// release may be called more than once.
func (ls *lines) enter(ctx context.Context, tenant string) (release func(), err error) {
	l, err := ls.join(tenant)
	if err != nil {
		return nil, err
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		ls.leave(tenant, l)
		return nil, ctx.Err()
	}
	if !ls.begin() {
		<-l.turn
		ls.leave(tenant, l)
		return nil, busy(busyRetry, "%d uploads are under way", maxBodies)
	}
	return sync.OnceFunc(func() {
		ls.end()
		<-l.turn
		ls.leave(tenant, l)
	}), nil
}

func (ls *lines) join(tenant string) (*line, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.open[tenant]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
	}
	if l.users > maxWaiting {
		return nil, busy(busyRetry, "an upload of tenant %s is under way, and %d wait", tenant, maxWaiting)
	}
	if ls.open == nil {
		ls.open = map[string]*line{}
	}
	ls.open[tenant] = l
	l.users++
	return l, nil
}

func (ls *lines) leave(tenant string, l *line) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(ls.open, tenant)
	}
}

func (ls *lines) begin() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.bodies == maxBodies {
		return false
	}
	ls.bodies++
	return true
}

func (ls *lines) end() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.bodies--
}
