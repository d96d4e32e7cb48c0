package idle

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"idlehost/sdk/abi"
)

// claim is what one tenant holds of the host: the open connections of its
// accounts, its clients' and those to its upstreams. Where the host runs out
// of descriptors or memory, tenants are compared by their claims.
type claim struct {
	accounts []*Account // immutable
	// spare counts, by side, the connections that may be evicted: nothing is
	// under way on them. See Conn.spareLocked.
	spare [2]atomic.Int64

	// guarded by ranking.mu
	held  int64
	place int // in the ranking, from 1 on; 0: it holds nothing

	candidates [2]candidates // by side
}

// Together has two accounts count as one tenant's. It is called before either
// has a connection.
func Together(a, b *Account) {
	cl := &claim{accounts: []*Account{a, b}}
	a.claim.Store(cl)
	b.claim.Store(cl)
}

// claimed returns the account's claim. An account of its own gets one with its
// first connection: most tenants have none.
func (a *Account) claimed() *claim {
	if cl := a.claim.Load(); cl != nil {
		return cl
	}
	a.claim.CompareAndSwap(nil, &claim{accounts: []*Account{a}})
	return a.claim.Load()
}

// ranking is a heap of the claims that hold something, the largest on top. It
// costs a connection one short lock at its begin and one at its end.
type ranking struct {
	mu   sync.Mutex // guards the following, and every claim's held and place; a Conn's mu may be held, never taken
	list []*claim   // the children of i are 2i+1 and 2i+2
}

// add counts n connections more, or fewer.
func (r *ranking) add(cl *claim, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(cl, n)
}

func (r *ranking) addLocked(cl *claim, n int64) {
	cl.held += n
	switch {
	case cl.place == 0:
		r.list = append(r.list, cl)
		cl.place = len(r.list)
		r.upLocked(len(r.list) - 1)
	case cl.held == 0:
		r.removeLocked(cl)
	case n > 0:
		r.upLocked(cl.place - 1)
	default:
		r.downLocked(cl.place - 1)
	}
}

func (r *ranking) removeLocked(cl *claim) {
	i, last := cl.place-1, len(r.list)-1
	r.swapLocked(i, last)
	r.list[last] = nil
	r.list = r.list[:last]
	cl.place = 0
	if i < last {
		r.upLocked(i)
		r.downLocked(i)
	}
}

func (r *ranking) upLocked(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if r.list[parent].held >= r.list[i].held {
			return
		}
		r.swapLocked(i, parent)
		i = parent
	}
}

func (r *ranking) downLocked(i int) {
	for {
		largest := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(r.list) && r.list[child].held > r.list[largest].held {
				largest = child
			}
		}
		if largest == i {
			return
		}
		r.swapLocked(i, largest)
		i = largest
	}
}

func (r *ranking) swapLocked(i, j int) {
	r.list[i], r.list[j] = r.list[j], r.list[i]
	r.list[i].place, r.list[j].place = i+1, j+1
}

// all returns the claims that hold something.
func (r *ranking) all() []*claim {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// held returns what a claim holds.
func (r *ranking) held(cl *claim) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cl.held
}

// modest reports whether a claim holds less than its share of n: what each of
// the tenants that hold something, and one that is still to come, would have
// if all held the same.
func (r *ranking) modest(cl *claim, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.modestLocked(cl, n)
}

func (r *ranking) modestLocked(cl *claim, n int64) bool { return cl.held < r.shareLocked(n) }

func (r *ranking) shareLocked(n int64) int64 { return n / int64(len(r.list)+1) }

// share is how many of n connections a claim must hold at least before it gives
// one up for another's.
func (r *ranking) share(n int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shareLocked(n)
}

// The search for a connection to evict tries so many claims, among so many of
// the largest: those that have something to give up are among the first, unless
// hundreds of tenants are busy with all that they have.
const (
	maxTried    = 8
	maxLookedAt = 256
)

// addModest counts one connection more, if the claim is modest.
func (r *ranking) addModest(cl *claim, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	modest := r.modestLocked(cl, n)
	if modest {
		r.addLocked(cl, 1)
	}
	return modest
}

// largest returns the claims that hold most among those that want says yes to,
// the largest first. Those that hold no more than floor are not asked.
func (r *ranking) largest(floor int64, want func(*claim) bool) (found []*claim) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make([]int, 0, 16) // indices whose parents have been looked at, the largest claim last
	add := func(i int) {
		if i >= len(r.list) || r.list[i].held <= floor {
			return
		}
		at, _ := slices.BinarySearchFunc(next, r.list[i].held, func(j int, held int64) int {
			return cmp.Compare(r.list[j].held, held)
		})
		next = slices.Insert(next, at, i)
	}
	add(0)
	for looked := 0; len(next) > 0 && len(found) < maxTried && looked < maxLookedAt; looked++ {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if want(r.list[i]) {
			found = append(found, r.list[i])
		}
		add(2*i + 1)
		add(2*i + 2)
	}
	return found
}

// spareLocked reports whether the connection may be evicted: no request is under
// way on it. A client's connection may be evicted while it waits for a request,
// and before it has named its tenant: a handshake, or half a header section, is
// no request yet. A connection to an upstream may be once it has served a
// request: a new one is about to. A tunnel may never be, however quiet: only its
// two ends know whether they are done.
func (c *Conn) spareLocked() bool {
	if c.closed || c.ending.Load() != 0 || c.marks.has(markArriving) {
		return false
	}
	p := c.Phase()
	switch {
	case c.marks.has(markAnswered):
		return true
	case c.inflight > 0:
		return false
	case c.admitted && c.protocol == abi.ProtocolTCP: // it is a tunnel, or is about to be
		return false
	case c.side == sideDialled:
		return c.requests > 0 && restful(p)
	case !c.admitted:
		return p == abi.PhaseHandshake
	case c.account.Unknown && c.requests == 0 && p == abi.PhaseHeader:
		return true
	}
	return restful(p)
}

// countSpareLocked keeps the claim's count, after anything that spareLocked
// depends on has changed.
func (c *Conn) countSpareLocked() {
	if spare := c.spareLocked(); spare != c.marks.has(markSpare) {
		c.marks.set(markSpare, spare)
		n := int64(1)
		if !spare {
			n = -1
		}
		c.account.claimed().spare[c.side].Add(n)
	}
}

// uncountSpareLocked takes the connection out of its claim's count.
func (c *Conn) uncountSpareLocked() {
	if c.marks.has(markSpare) {
		c.marks.set(markSpare, false)
		c.account.claimed().spare[c.side].Add(-1)
	}
}

// marks are what is true of a connection, each a bit: a record has no byte to
// spare.
type marks uint8

const (
	markCounted   marks = 1 << iota // counted with its client
	markSpare                       // in the claim's count of those that may be evicted
	markEvicted                     // the host ends it to make room, and its descriptor is still open
	markArriving                    // Admit is looking for room
	markAnswered                    // the last answer has been written
	markUnwelcome                   // there was no room for it: Admit refuses it
)

func (m marks) has(one marks) bool { return m&one != 0 }

func (m *marks) set(one marks, on bool) {
	if *m &^= one; on {
		*m |= one
	}
}
