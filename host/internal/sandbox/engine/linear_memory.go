package engine

import "github.com/tetratelabs/wazero/experimental"

// linearMemory is the memory of one instance. It records when the guest wanted
// more than its limit, which wazero does not tell.
type linearMemory struct {
	pool    *memoryPool
	limit   uint64     // bytes
	reserve uint64     // bytes to set aside at first: what it may grow to
	slot    memorySlot // holds bytes; none: they are in Go's heap
	bytes   []byte
	refused bool // a growth was refused since the last call
}

// Allocate implements experimental.MemoryAllocator. A guest has one memory:
// one that declares more is not a valid module.
func (l *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return l }

// Reallocate implements experimental.LinearMemory. The first size, the module's
// minimum, has been checked before.
func (l *linearMemory) Reallocate(size uint64) []byte {
	if size > l.limit {
		l.refused = true
		return nil
	}
	if l.bytes == nil {
		l.slot = l.pool.take(max(size, l.reserve))
		l.bytes = l.slot.bytes()
		l.prefault(size)
	}
	if size > uint64(cap(l.bytes)) {
		l.moveToHeap(size)
	}
	l.bytes = l.bytes[:size]
	return l.bytes
}

// prefaultFrom is how much of a declared memory the kernel makes resident only
// when the guest first touches it: a page of the processor at a time, each in a
// microsecond or two.
const prefaultFrom = 8 * pageBytes

// prefault makes the rest resident when the instance begins. Fuel does not pay for
// first touches, and a guest could do all of them in one question.
func (l *linearMemory) prefault(size uint64) {
	if size > prefaultFrom && size <= uint64(cap(l.bytes)) {
		populate(l.bytes[prefaultFrom:size])
	}
}

// view returns a region as it is now; growing may move it.
func (l *linearMemory) view(r region) ([]byte, bool) {
	from, to := uint64(r.addr), uint64(r.addr)+uint64(r.size)
	if to > uint64(len(l.bytes)) {
		return nil, false
	}
	return l.bytes[from:to:to], true
}

// moveToHeap gives it more room, in Go's heap. Doubling keeps a guest that grows
// page by page from making the host copy its memory each time.
func (l *linearMemory) moveToHeap(size uint64) {
	grown := make([]byte, size, min(max(size, 2*uint64(cap(l.bytes))), l.limit))
	copy(grown, l.bytes)
	l.Free()
	l.bytes = grown
}

// Free implements experimental.LinearMemory. The slot goes to another guest, so
// the memory must not be used any more. Idempotent.
func (l *linearMemory) Free() {
	l.bytes = nil
	l.slot.release()
	l.slot = memorySlot{}
}
