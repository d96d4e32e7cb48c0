package tenant

import (
	"sync"

	"idlehost/sdk/abi"
)

// recollection holds the bytes that a shadow keeps on connections, whose own
// belong to the version that is obeyed. It is bounded: the connection that was
// not asked about for the longest time is forgotten, as if it were new. What
// is all zero takes no place. Safe for concurrent use.
type recollection struct {
	mu    sync.Mutex // guards the following fields
	limit int
	index map[uint64]int32
	slots []memory // slot 0 is the ring's head: its next is the latest, its prev the oldest
	free  int32    // head of the list of free slots, linked by next; 0: none
}

type memory struct {
	conn       uint64
	prev, next int32
	state      [abi.StateSize]byte
}

func newRecollection(limit int) *recollection {
	return &recollection{limit: limit, index: map[uint64]int32{}, slots: make([]memory, 1)}
}

func (r *recollection) get(conn uint64) (state [abi.StateSize]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, ok := r.index[conn]; ok {
		state = r.slots[i].state
	}
	return state
}

func (r *recollection) put(conn uint64, state [abi.StateSize]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.index[conn]
	switch {
	case state == [abi.StateSize]byte{}:
		r.forgetLocked(conn)
		return
	case ok:
		r.unlinkLocked(i)
	default:
		if len(r.index) == r.limit {
			r.forgetLocked(r.slots[r.slots[0].prev].conn)
		}
		i = r.slotLocked()
		r.index[conn] = i
	}
	r.slots[i].conn, r.slots[i].state = conn, state
	r.linkLocked(i)
}

func (r *recollection) forget(conn uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked(conn)
}

func (r *recollection) forgetLocked(conn uint64) {
	i, ok := r.index[conn]
	if !ok {
		return
	}
	delete(r.index, conn)
	r.unlinkLocked(i)
	r.slots[i] = memory{next: r.free}
	r.free = i
}

func (r *recollection) slotLocked() int32 {
	if i := r.free; i != 0 {
		r.free = r.slots[i].next
		return i
	}
	r.slots = append(r.slots, memory{})
	return int32(len(r.slots) - 1)
}

func (r *recollection) linkLocked(i int32) {
	first := r.slots[0].next
	r.slots[i].prev, r.slots[i].next = 0, first
	r.slots[first].prev, r.slots[0].next = i, i
}

func (r *recollection) unlinkLocked(i int32) {
	m := &r.slots[i]
	r.slots[m.prev].next, r.slots[m.next].prev = m.next, m.prev
}
