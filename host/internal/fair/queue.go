// Package fair shares a few places among many owners, so that the work of one
// holds up the others as little as possible.
package fair

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"
)

// Operator is the owner of the operator's own work. It has places of its own, and
// never waits for another owner's turn.
const Operator = ""

// Queue gives turns to owners by start-time fair queueing (Goyal, Vin and
// Cheng, SIGCOMM 1996). Each owner has a clock, which its turns move on by what
// they cost. The turn that begins next is the one that would be the first to
// end by its owner's clock: an owner that has had little goes before those that
// have had much, and a short turn before a long one. An owner that was away
// has not saved anything up: its clock is moved on to the queue's, the earliest of
// those that have a turn or are the next to have one.
//
// An owner has one turn at a time, and its others wait for that one in order.
// Only the Operator may have as many as there are places.
//
// A nil Queue gives everybody a turn at once. Safe for concurrent use; New makes
// one.
type Queue struct {
	places int

	mu     sync.Mutex // guards the following, and the fields of owners and turns
	now    time.Duration
	owners map[string]*owner // that have a turn, wait for one, or are ahead of now
	sweep  int               // how many owners there may be before some are forgotten
	ready  owners            // a heap of those that wait and have no turn
	taken  []*owner          // that have a turn
	joined uint64            // turns so far
	// operator has the Operator's turns that wait, the oldest first.
	operator      []*Turn
	operatorTaken int
}

// Turn is a place that an owner has, until Leave.
type Turn struct {
	queue *Queue
	owner *owner        // nil: the Operator
	about time.Duration // what it will cost, as far as anybody can tell
	order uint64        // in which turns joined
	begun chan struct{} // closed when it begins
	left  bool
}

// leastSweep is a number of owners that is not worth a sweep.
const leastSweep = 64

// New returns a queue with so many places, at least one, and as many for the
// Operator beside them.
func New(places int) *Queue {
	return &Queue{places: max(places, 1), owners: map[string]*owner{}, sweep: leastSweep}
}

// Enter waits for a turn of an owner that costs about so much; 0: nobody can
// tell. The error is that of ctx; without one, Leave is due.
func (q *Queue) Enter(ctx context.Context, name string, about time.Duration) (*Turn, error) {
	if err := ctx.Err(); err != nil || q == nil {
		return nil, err
	}
	return q.join(name, about).await(ctx)
}

// TryEnter is Enter for a caller that does not wait. It reports false where
// there is no place, or others wait for it.
func (q *Queue) TryEnter(name string, about time.Duration) (*Turn, bool) {
	if q == nil {
		return nil, true
	}
	t := q.join(name, about)
	select {
	case <-t.begun:
		return t, true
	default:
		q.abandon(t)
		return nil, false
	}
}

// Pass ends a turn that has cost so much, and waits for the owner's next one,
// which begins at once unless another owner is due first. The error is that of
// ctx, and then the turn is over. A nil Turn goes on.
func (t *Turn) Pass(ctx context.Context, cost time.Duration) (*Turn, error) {
	if t == nil {
		return nil, ctx.Err()
	}
	next := t.queue.pass(t, cost)
	return next.await(ctx)
}

// await waits for a turn that has joined.
func (t *Turn) await(ctx context.Context) (*Turn, error) {
	select {
	case <-t.begun:
		return t, nil
	case <-ctx.Done():
		t.queue.abandon(t)
		return nil, ctx.Err()
	}
}

// Waiting counts the owners that wait for a turn and have none.
func (q *Queue) Waiting() int {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready) + len(q.operator)
}

// Running counts the turns that have begun and not ended.
func (q *Queue) Running() int {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.taken) + q.operatorTaken
}

// Leave ends a turn that has cost so much, and begins the next. A nil Turn, that
// of a nil Queue, has nothing to end. Idempotent.
func (t *Turn) Leave(cost time.Duration) {
	if t == nil {
		return
	}
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	t.queue.leaveLocked(t, cost)
}

// join puts a turn behind the others of its owner, and begins what can begin.
func (q *Queue) join(name string, about time.Duration) *Turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.joined++
	t := &Turn{queue: q, about: max(about, 0), order: q.joined, begun: make(chan struct{})}
	if name != Operator {
		t.owner = q.ownerLocked(name)
	}
	q.waitLocked(t)
	q.beginLocked()
	return t
}

// waitLocked puts a turn behind the others of its owner.
func (q *Queue) waitLocked(t *Turn) {
	o := t.owner
	if o == nil {
		q.operator = append(q.operator, t)
		return
	}
	if o.waiting = append(o.waiting, t); o.running == nil && len(o.waiting) == 1 {
		q.now = max(q.now, q.earliestLocked())
		o.due = max(o.clock, q.now)
		heap.Push(&q.ready, o)
	}
}

// pass ends a turn and puts another in its place before the next one begins:
// an owner that goes on is not taken for one that has gone.
func (q *Queue) pass(t *Turn, cost time.Duration) *Turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.joined++
	next := &Turn{queue: q, owner: t.owner, about: t.about, order: q.joined, begun: make(chan struct{})}
	q.waitLocked(next)
	q.leaveLocked(t, cost)
	return next
}

// abandon takes a turn back that nobody waits for any more, though it may have
// begun meanwhile.
func (q *Queue) abandon(t *Turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := t.owner
	switch {
	case t.hasBegun():
		q.leaveLocked(t, 0)
	case o == nil:
		q.operator = without(q.operator, t)
	default:
		first := o.waiting[0] == t
		if o.waiting = without(o.waiting, t); !first || o.running != nil {
			return
		}
		heap.Remove(&q.ready, o.place)
		if len(o.waiting) > 0 {
			heap.Push(&q.ready, o)
		}
		q.restLocked()
	}
}

func (t *Turn) hasBegun() bool {
	select {
	case <-t.begun:
		return true
	default:
		return false
	}
}

func (q *Queue) leaveLocked(t *Turn, cost time.Duration) {
	if t.left {
		return
	}
	t.left = true
	if o := t.owner; o == nil {
		q.operatorTaken--
	} else {
		q.taken = slices.DeleteFunc(q.taken, func(other *owner) bool { return other == o })
		o.running, o.clock = nil, o.due+max(cost, 0)
		if len(o.waiting) > 0 { // it was not away
			o.due = o.clock
			heap.Push(&q.ready, o)
		}
	}
	q.beginLocked()
	q.restLocked()
}

// ownerLocked returns the owner of a name. Beyond q.sweep of them, those are
// forgotten that would get the same clock again.
func (q *Queue) ownerLocked(name string) *owner {
	o := q.owners[name]
	if o != nil {
		return o
	}
	if len(q.owners) >= q.sweep {
		for name, o := range q.owners {
			if o.running == nil && len(o.waiting) == 0 && o.clock <= q.now {
				delete(q.owners, name)
			}
		}
		q.sweep = max(2*len(q.owners), leastSweep)
	}
	o = &owner{}
	q.owners[name] = o
	return o
}

// earliestLocked returns the earliest clock of those that have a turn or are the
// next to have one; 0: there is none.
func (q *Queue) earliestLocked() (at time.Duration) {
	if len(q.ready) > 0 {
		at = q.ready[0].due
	} else if len(q.taken) > 0 {
		at = q.taken[0].due
	}
	for _, o := range q.taken {
		at = min(at, o.due)
	}
	return at
}

// beginLocked begins turns while there are places.
func (q *Queue) beginLocked() {
	for len(q.operator) > 0 && q.operatorTaken < q.places {
		t := q.operator[0]
		q.operator = q.operator[1:]
		q.operatorTaken++
		close(t.begun)
	}
	for len(q.ready) > 0 && len(q.taken) < q.places {
		o := heap.Pop(&q.ready).(*owner)
		o.running, o.waiting = o.waiting[0], o.waiting[1:]
		q.taken = append(q.taken, o)
		close(o.running.begun)
	}
}

// restLocked forgets every clock once nobody has a turn or waits for one: then
// nobody is held up by what others have had.
func (q *Queue) restLocked() {
	if len(q.taken) == 0 && len(q.ready) == 0 {
		clear(q.owners)
		q.now = 0
	}
}

func without(list []*Turn, t *Turn) []*Turn {
	return slices.DeleteFunc(list, func(o *Turn) bool { return o == t })
}
