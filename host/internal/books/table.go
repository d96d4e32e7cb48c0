package books

import "sync"

type shard struct {
	mu    sync.Mutex // guards table
	table table
	_     [64]byte // keeps two shards' locks off one cache line
}

const none = -1

// table is a bounded map from client to record that forgets the least
// recently used. Records lie in one slab and never move once it has reached
// its limit; the index is open addressed with linear probing and holds slab
// positions plus one. Nothing is allocated but while the table grows.
type table struct {
	limit      int
	slab       []record
	index      []int32 // a power of two, at least twice len(slab)
	head, tail int32   // most and least recently used; valid if len(slab) > 0
}

// find returns client's record or nil, without counting as use. The pointer
// is valid until the next touch.
func (t *table) find(client uint64) *record {
	if len(t.index) == 0 {
		return nil
	}
	if p := t.index[t.slot(client)]; p != 0 {
		return &t.slab[p-1]
	}
	return nil
}

// touch returns client's record as the most recently used, new if need be.
// The pointer is valid until the next touch.
func (t *table) touch(client uint64) *record {
	if len(t.index) > 0 {
		if p := t.index[t.slot(client)]; p != 0 {
			t.unlink(p - 1)
			t.linkFirst(p - 1)
			return &t.slab[p-1]
		}
	}
	p := t.room()
	t.slab[p] = record{client: client}
	t.index[t.slot(client)] = p + 1
	t.linkFirst(p)
	return &t.slab[p]
}

// room returns the position of an unlinked record that no index entry names.
func (t *table) room() int32 {
	if len(t.slab) < t.limit {
		t.grow()
		return int32(len(t.slab) - 1)
	}
	p := t.tail
	t.unlink(p)
	t.remove(t.slab[p].client)
	return p
}

func (t *table) grow() {
	if len(t.slab) == 0 {
		t.head, t.tail = none, none
	}
	if len(t.slab) == cap(t.slab) {
		slab := make([]record, len(t.slab), min(t.limit, max(2, 2*cap(t.slab))))
		copy(slab, t.slab)
		t.slab = slab
	}
	t.slab = t.slab[:len(t.slab)+1]
	if 2*cap(t.slab) <= len(t.index) {
		return
	}
	size := 4
	for size < 2*cap(t.slab) {
		size *= 2
	}
	t.index = make([]int32, size)
	for p := range t.slab[:len(t.slab)-1] {
		t.index[t.slot(t.slab[p].client)] = int32(p) + 1
	}
}

// slot returns where client stands in the index, or the free place where it
// belongs. At most half of the index is taken, so there is one.
func (t *table) slot(client uint64) int {
	mask := len(t.index) - 1
	i := t.home(client)
	for t.index[i] != 0 && t.slab[t.index[i]-1].client != client {
		i = (i + 1) & mask
	}
	return i
}

func (t *table) home(client uint64) int { return int(mix(client)>>16) & (len(t.index) - 1) }

// remove takes client out of the index and closes the hole: an entry that
// the hole would cut off from its home moves into it (Knuth 6.4 R).
func (t *table) remove(client uint64) {
	mask := len(t.index) - 1
	hole := t.slot(client)
	for i := (hole + 1) & mask; t.index[i] != 0; i = (i + 1) & mask {
		home := t.home(t.slab[t.index[i]-1].client)
		if (i-home)&mask >= (i-hole)&mask {
			t.index[hole] = t.index[i]
			hole = i
		}
	}
	t.index[hole] = 0
}

func (t *table) unlink(p int32) {
	r := &t.slab[p]
	if r.prev == none {
		t.head = r.next
	} else {
		t.slab[r.prev].next = r.next
	}
	if r.next == none {
		t.tail = r.prev
	} else {
		t.slab[r.next].prev = r.prev
	}
}

func (t *table) linkFirst(p int32) {
	r := &t.slab[p]
	r.prev, r.next = none, t.head
	if t.head == none {
		t.tail = p
	} else {
		t.slab[t.head].prev = p
	}
	t.head = p
}

// mix spreads keys that are not hashes, such as those of a replay.
func mix(client uint64) uint64 {
	client ^= client >> 32
	client *= 0x9e3779b97f4a7c15
	return client ^ client>>29
}
