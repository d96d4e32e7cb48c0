package engine

import (
	"math/bits"
	"slices"
	"sync"
)

// memoryPool hands out memory for guests from outside of Go's heap. A guest of
// 64 KiB that touches 8 has 8 resident, where the heap would clear and keep all
// of it; a memory that is reserved up to its limit never moves; and the garbage
// collector does not see it. Where the system gives no such memory, guests live
// in the heap.
//
// The pool maps arenas of equal slots, so that there are far fewer mappings, of
// which a process may have 65,530 on Linux, than guests.
type memoryPool struct {
	mapping func(size int) []byte // of fresh memory; nil: there is none

	mu sync.Mutex // guards the following field
	// open holds the arenas with a free slot, by the slot's size.
	open map[int][]*memoryArena
}

// memoryArena is one mapping. The pool's lock guards it.
type memoryArena struct {
	pool      *memoryPool
	mem       []byte
	slotBytes int
	free      []int32 // numbers of slots that were released
	fresh     int     // from here on, none was ever taken
	used      int
}

// memorySlot is the place of one memory; the zero memorySlot is none.
type memorySlot struct {
	arena *memoryArena
	n     int32
}

// arenaBytes is an arena's size, unless a slot is larger. All but what guests
// touch is address space only.
const arenaBytes = 64 << 20

func newMemoryPool() *memoryPool {
	return &memoryPool{mapping: mapArena, open: make(map[int][]*memoryArena)}
}

// take returns a slot of at least size bytes, all zero; or none.
func (f *memoryPool) take(size uint64) memorySlot {
	if size > 1<<30 { // no int on every machine
		return memorySlot{}
	}
	class := pageBytes << bits.Len64((max(size, 1)-1)/pageBytes)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.open[class]) == 0 {
		mem := f.mapping(max(class, arenaBytes))
		if mem == nil {
			return memorySlot{}
		}
		f.open[class] = append(f.open[class], &memoryArena{pool: f, mem: mem, slotBytes: class})
	}
	list := f.open[class]
	from := list[len(list)-1]
	p := from.takeLocked()
	if from.fullLocked() {
		f.open[class] = list[:len(list)-1]
	}
	return p
}

func (f *memoryArena) fullLocked() bool { return f.used == len(f.mem)/f.slotBytes }

func (f *memoryArena) takeLocked() memorySlot {
	f.used++
	if n := len(f.free); n > 0 {
		p := memorySlot{f, f.free[n-1]}
		f.free = f.free[:n-1]
		return p
	}
	f.fresh++
	return memorySlot{f, int32(f.fresh - 1)}
}

// bytes returns the slot as a slice of length 0; nil for none.
func (p memorySlot) bytes() []byte {
	if p.arena == nil {
		return nil
	}
	at := int(p.n) * p.arena.slotBytes
	return p.arena.mem[at : at : at+p.arena.slotBytes]
}

// release clears the slot for the next guest.
func (p memorySlot) release() {
	if p.arena == nil {
		return
	}
	b := p.bytes()
	wipe(b[:cap(b)])
	p.arena.pool.put(p)
}

func (f *memoryPool) put(p memorySlot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := p.arena
	if from.fullLocked() {
		f.open[from.slotBytes] = append(f.open[from.slotBytes], from)
	}
	from.free = append(from.free, p.n)
	from.used--
	// One empty arena is kept, so that a single guest which comes and goes does
	// not map and unmap.
	if list := f.open[from.slotBytes]; from.used == 0 && len(list) > 1 {
		f.open[from.slotBytes] = slices.DeleteFunc(list, func(x *memoryArena) bool { return x == from })
		unmapArena(from.mem)
	}
}

// close unmaps the arenas that are kept. All slots have been released.
func (f *memoryPool) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, list := range f.open {
		for _, x := range list {
			if x.used == 0 {
				unmapArena(x.mem)
			}
		}
	}
	clear(f.open)
}
