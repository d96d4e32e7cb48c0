package control

import (
	"context"
	"sync"
	"time"

	"idlehost/host/internal/fair"
)

const (
	// maxWaiting is how many uploads of a tenant wait for its one that is under
	// way.
	maxWaiting = 2
	// maxBodies is how many uploads are under way over all tenants: as many
	// modules are in memory. The Runtime has tenants take turns at checks, so one
	// that sends slowly holds up nobody's check.
	maxBodies = 32
	// bodyPatience is how long an upload waits to be one of them.
	bodyPatience = 10 * time.Second
	// busyRetry is what KindBusy advises.
	busyRetry = 2 * time.Second
)

// uploadQueue is where uploads wait, in one queue for each tenant. The first of each
// waits for one of maxBodies places; the tenant goes first that has had a place
// for the shortest time so far.
type uploadQueue struct {
	bodies *fair.Queue

	mu   sync.Mutex // guards the following
	open map[string]*tenantQueue
}

func newUploadQueue() *uploadQueue {
	return &uploadQueue{bodies: fair.New(maxBodies), open: map[string]*tenantQueue{}}
}

type tenantQueue struct {
	users int           // guarded by uploadQueue.mu: under way, and waiting
	turn  chan struct{} // holds an element while an upload is under way
}

// enter waits for the tenant's turn; KindBusy where too many do already.
// release may be called more than once.
func (ls *uploadQueue) enter(ctx context.Context, tenant string) (release func(), err error) {
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
	end, err := ls.begin(ctx, tenant)
	if err != nil {
		<-l.turn
		ls.leave(tenant, l)
		return nil, err
	}
	return sync.OnceFunc(func() {
		end()
		<-l.turn
		ls.leave(tenant, l)
	}), nil
}

// begin waits to be one of maxBodies; KindBusy where that takes too long.
func (ls *uploadQueue) begin(ctx context.Context, tenant string) (end func(), err error) {
	patience, stop := context.WithTimeout(ctx, bodyPatience)
	defer stop()
	turn, err := ls.bodies.Enter(patience, tenant, 0)
	switch {
	case err == nil:
		begun := time.Now()
		return func() { turn.Leave(time.Since(begun)) }, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, busy(busyRetry, "%d uploads are under way", maxBodies)
}

func (ls *uploadQueue) join(tenant string) (*tenantQueue, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.open[tenant]
	if l == nil {
		l = &tenantQueue{turn: make(chan struct{}, 1)}
	}
	if l.users > maxWaiting {
		return nil, busy(busyRetry, "an upload of tenant %s is under way, and %d wait", tenant, maxWaiting)
	}
	ls.open[tenant] = l
	l.users++
	return l, nil
}

func (ls *uploadQueue) leave(tenant string, l *tenantQueue) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(ls.open, tenant)
	}
}
