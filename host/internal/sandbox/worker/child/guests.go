package child

import (
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/channel"
)

// guest is a policy that the worker has.
type guest struct {
	policy *engine.Policy

	// What follows is of the thread that asks, but for what a start leaves.
	gaps    policy.Gaps    // that it was given last
	given   bool           // it was given any
	left    channel.Answer // State and Leases that the last question has left
	faulted bool           // the last question; so it may have no instance
	held    uint64         // the batch in which a question of it went back
	start   start
}

// start is the making of a new instance, on the other thread. What came of it is
// written before state becomes started.
type start struct {
	state atomic.Int32
	fault policy.Fault
	fuel  uint64
	took  time.Duration
}

// The states of a start.
const (
	idle int32 = iota
	starting
	started
)

// take returns the histogram that stands beside a question; nil: there is none.
func (g *guest) take(q *channel.Question) *policy.Gaps {
	if q.Kind == channel.GapsNew {
		g.gaps, g.given = *q.Gaps, true
	}
	if q.Kind == channel.GapsNone || !g.given {
		return nil
	}
	return &g.gaps
}

// guests finds them by the host's numbers.
type guests struct {
	mu    sync.RWMutex // guards the following field
	known map[uint32]*guest
}

func (t *guests) find(n uint32) *guest {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.known[n]
}

func (t *guests) put(n uint32, g *guest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = make(map[uint32]*guest)
	}
	t.known[n] = g
}

// remove returns the guest that there was; nil: none.
func (t *guests) remove(n uint32) *guest {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.known[n]
	delete(t.known, n)
	return g
}
