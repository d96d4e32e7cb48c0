package idle

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
)

// ErrFull is returned where the host has no descriptor, or no memory, for
// another connection, and no idle one to give up for it.
var ErrFull = errors.New("the host has no room for another connection")

// Cause is what the host, or a tenant, ran short of when an idle connection was
// evicted, or a new one refused.
type Cause uint8

// The causes.
const (
	CauseConnections Cause = iota // Config.Limit
	CauseTenant                   // the account's own limits
	CauseDescriptors
	CauseMemory
	causes
)

// Causes are all of them.
func Causes() []Cause {
	return []Cause{CauseConnections, CauseTenant, CauseDescriptors, CauseMemory}
}

func (c Cause) String() string {
	return [causes]string{"connections", "tenant", "descriptors", "memory"}[c]
}

// capacity is how many connections of both sides may be open, for one that is to be
// opened on a side.
//
// A tenant that holds less than its share may go on up to most, all others up to
// common. So a tenant that fills the host with connections that cannot be evicted
// leaves some to the others, and among those some for their upstreams: a request
// needs one when its client is connected already.
type capacity struct {
	common, most [2]int64
	pipes        int64 // for bytes that are spliced: two descriptors each
}

// newCapacity divides n descriptors.
func newCapacity(n int64) *capacity {
	pipes := min(n/32, max(64, n/256))
	n -= 2 * pipes
	step := min(max(n/8, 1), max(128, n/128))
	return &capacity{
		common: [2]int64{sideAccepted: max(n-3*step, 1), sideDialled: max(n-2*step, 1)},
		most:   [2]int64{sideAccepted: max(n-step, 1), sideDialled: max(n, 1)},
		pipes:  pipes,
	}
}

// Fits returns how many accepted connections n descriptors are enough for; 0: any
// number.
func Fits(n int) int {
	if n <= 0 {
		return 0
	}
	return int(newCapacity(int64(n)).common[sideAccepted])
}

// boundless is the capacity of a process without a limit.
var boundless = capacity{common: [2]int64{math.MaxInt64, math.MaxInt64}, most: [2]int64{math.MaxInt64, math.MaxInt64}}

// maxRefusing is how many clients at a time are answered that there is no room
// for them.
const maxRefusing = 4

// SetDescriptors says how many descriptors connections of both sides may have
// together, with the pipes that bytes are spliced through; 0: any number.
func (g *Governor) SetDescriptors(n int) {
	if n <= 0 {
		g.capacity.Store(nil)
		return
	}
	g.capacity.Store(newCapacity(int64(n)))
}

// SetTight says that there is no memory for more connections: one more is
// accepted only where an idle one goes.
func (g *Governor) SetTight(tight bool) { g.tight.Store(tight) }

// Limit returns how many accepted connections the host may have open: the least
// of what Config and descriptors allow; 0: any number.
func (g *Governor) Limit() int {
	limit := g.cfg.Limit
	if r := g.capacity.Load(); r != nil && (limit == 0 || int64(limit) > r.common[sideAccepted]) {
		limit = int(r.common[sideAccepted])
	}
	return limit
}

// Descriptors returns how many descriptors the connections of both sides have,
// and how many they may; 0: any number.
func (g *Governor) Descriptors() (used, most int) {
	if r := g.capacity.Load(); r != nil {
		most = int(r.most[sideDialled])
	}
	return int(g.sockets.Load()), most
}

// Evictions returns how many idle connections have been evicted for a cause, and
// Refusals how many new ones were turned away.
func (g *Governor) Evictions(c Cause) uint64 { return g.evictions[c].Load() }

// Refusals is described with Evictions.
func (g *Governor) Refusals(c Cause) uint64 { return g.refusals[c].Load() }

// acceptTries is how often a new connection waits for a place whose tenant is
// not known yet. Those that came before it name theirs meanwhile, and several
// listeners may wait.
const acceptTries = 5

// Accept governs a connection that a listener has accepted, as Govern does, if
// there is room for it. Near the limit an idle connection is evicted for each
// that comes, and Accept waits a moment for its descriptor. ErrFull: the caller
// closes nc. Where answerable says that an HTTP answer can be sent, some are
// governed all the same, for Admit to refuse.
func (g *Governor) Accept(nc net.Conn, a *Account, answerable bool) (*Conn, error) {
	ok := g.takePlace(a.claimed(), sideAccepted)
	for try := 0; !ok && a.Unknown && try < acceptTries; try++ {
		time.Sleep(introductionTime) // until the others have had time to name their tenants
		ok = g.takePlace(a.claimed(), sideAccepted)
	}
	if ok {
		return g.govern(nc, a, sideAccepted), nil
	}
	if !answerable || g.refusing.Add(1) > maxRefusing {
		if answerable {
			g.refusing.Add(-1)
		}
		g.refusals[g.shortOf()].Add(1)
		return nil, ErrFull
	}
	c := g.Govern(nc, a, sideAccepted)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.marks.set(markUnwelcome, true)
	c.countSpareLocked()
	return c, nil
}

// dialTries is how often a connection is tried for which the system has no
// descriptor, each time after an idle one was evicted.
const dialTries = 4

// Dial governs a connection of a's to an upstream, which dial opens if there is
// room for it; ErrFull: there is none. Near the limit an idle connection is
// evicted for it, of those to upstreams before clients'.
func (g *Governor) Dial(ctx context.Context, a *Account, dial func() (net.Conn, error)) (*Conn, error) {
	cl := a.claimed()
	if !g.takePlace(cl, sideDialled) {
		g.refusals[CauseDescriptors].Add(1)
		return nil, ErrFull
	}
	for try := 1; ; try++ {
		freed := g.freed.next()
		nc, err := dial()
		if err == nil {
			return g.govern(nc, a, sideDialled), nil
		}
		if exhausted := Exhausted(err); exhausted && try < dialTries && g.Relieve() && await(ctx, freed) {
			continue
		} else if exhausted {
			g.refusals[CauseDescriptors].Add(1)
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		g.leavePlace(cl)
		return nil, err
	}
}

// await waits for a descriptor, but not for long: others may be faster.
func await(ctx context.Context, freed <-chan struct{}) bool {
	t := time.NewTimer(evictGrace)
	defer t.Stop()
	select {
	case <-freed:
	case <-t.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// Relieve evicts an idle connection, whosever it is, since the system has
// refused a descriptor. It reports whether there was one; Freed tells when its
// descriptor is there.
func (g *Governor) Relieve() bool {
	return g.evict(want{sides: bothSides, cause: CauseDescriptors})
}

// Shrink evicts up to n idle connections to give their memory back, and returns
// how many there were.
func (g *Governor) Shrink(n int) (evicted int) {
	for evicted < n && g.evict(want{sides: bothSides, cause: CauseMemory}) {
		evicted++
	}
	return evicted
}

// Calm gives back what the search for connections to evict remembers, once none
// has been evicted for a while.
func (g *Governor) Calm() {
	for _, cl := range g.ranking.all() {
		for side := range cl.candidates {
			cl.candidates[side].forget()
		}
	}
}

// Freed returns a channel that is closed when a connection next gives its
// descriptor back.
func (g *Governor) Freed() <-chan struct{} { return g.freed.next() }

// takePlace counts another connection of a claim, if there is room for it. It
// evicts one where that is what it takes, and waits for its descriptor, but for
// no longer than the Governor gives its owner to close it.
func (g *Governor) takePlace(cl *claim, side policy.Side) bool {
	r, tight := g.capacity.Load(), side == sideAccepted && g.tight.Load()
	if r == nil {
		r = &boundless
	}
	w := want{by: cl, cause: g.shortOf()}
	if over := g.sockets.Load() - r.common[side] + 1 - g.evicting.Load(); tight || over > 0 {
		if !tight {
			w.share = g.ranking.share(r.most[side])
		}
		if evicted := g.makeRoom(w, side, max(over, 1)); tight && evicted == 0 {
			return false
		}
	}
	if g.awaitPlace(r, cl, side) {
		return true
	}
	// It has no more than its share, and not even that is left: one of its own
	// goes.
	w = want{of: cl, cause: w.cause}
	return g.makeRoom(w, side, 1) > 0 && g.awaitPlace(r, cl, side)
}

// leavePlace takes the count back of a connection that did not come about.
func (g *Governor) leavePlace(cl *claim) {
	g.ranking.add(cl, -1)
	g.sockets.Add(-1)
	g.freed.tell()
}

// makeRoom evicts n connections, or a few where the limit has come down by more,
// and returns how many there were.
func (g *Governor) makeRoom(w want, side policy.Side, n int64) (evicted int64) {
	const few = 4
	orders := [][]policy.Side{bothSides}
	if side == sideDialled {
		orders = [][]policy.Side{{sideDialled}, {sideAccepted}}
	}
	for _, w.sides = range orders {
		for evicted < min(n, few) && g.evict(w) {
			evicted++
		}
	}
	return evicted
}

// awaitPlace is takePlace when room has been made, as far as that goes.
func (g *Governor) awaitPlace(r *capacity, cl *claim, side policy.Side) bool {
	var patience <-chan time.Time
	for {
		freed := g.freed.nextIf(g.sockets.Load() >= r.most[side])
		used := g.sockets.Load()
		settled := used - g.evicting.Load()
		switch {
		case settled >= r.most[side]:
			return false
		case used < r.most[side]:
			if settled < r.common[side] {
				g.ranking.add(cl, 1)
			} else if !g.ranking.addModest(cl, r.most[side]) {
				return false
			}
			if g.sockets.CompareAndSwap(used, used+1) {
				return true
			}
			g.ranking.add(cl, -1)
			continue
		case freed == nil: // it has filled up since
			continue
		case patience == nil:
			t := time.NewTimer(evictGrace + g.cfg.Granularity)
			defer t.Stop()
			patience = t.C
		}
		select {
		case <-freed:
		case <-patience:
			return false
		}
	}
}

// shortOf is what there is too little of.
func (g *Governor) shortOf() Cause {
	if g.tight.Load() {
		return CauseMemory
	}
	return CauseDescriptors
}

// Crowded reports whether descriptors are so short that idle connections are
// evicted. None lingers then for bytes that cross its end.
func (g *Governor) Crowded() bool {
	r := g.capacity.Load()
	return r != nil && g.sockets.Load() >= r.common[sideAccepted]
}

// takePipe reports whether bytes may be spliced: package net then takes a pipe
// for as long as it waits for them, or finds one that was used before.
func (g *Governor) takePipe() bool {
	if r := g.capacity.Load(); g.pipes.Add(1) > r.maxPipes() {
		g.pipes.Add(-1)
		return false
	}
	return true
}

func (g *Governor) givePipe() { g.pipes.Add(-1) }

func (r *capacity) maxPipes() int64 {
	if r == nil {
		return math.MaxInt64
	}
	return r.pipes
}

// freedLocked is called when the connection's descriptor has been closed.
func (c *Conn) freedLocked() {
	c.stayLocked()
	if c.marks.has(markUnwelcome) {
		c.marks.set(markUnwelcome, false)
		c.gov.refusing.Add(-1)
	}
	c.gov.sockets.Add(-1)
	c.gov.freed.tell()
}

// signal wakes everybody who waits for the next of something. Nobody waits, as
// a rule: then telling takes no lock.
type signal struct {
	waited atomic.Bool

	mu sync.Mutex    // guards the following; a Conn's mu may be held, never taken
	ch chan struct{} // nil: nobody waits
}

// next returns a channel that the next tell closes.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
		s.waited.Store(true)
	}
	return s.ch
}

// nextIf is next where somebody will wait; else nil.
func (s *signal) nextIf(wait bool) <-chan struct{} {
	if !wait {
		return nil
	}
	return s.next()
}

func (s *signal) tell() {
	if !s.waited.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
		s.waited.Store(false)
	}
}
