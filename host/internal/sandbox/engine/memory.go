package engine

import "github.com/tetratelabs/wazero/experimental"

// linear is the memory of one instance. It knows when the guest wanted more
// than it may have, which wazero's own limit does not tell.
type linear struct {
	fields  *fields
	limit   uint64 // bytes
	reserve uint64 // bytes to set aside at first: what it may grow to
	plot    plot   // in which bytes lie; none: they lie in Go's heap
	bytes   []byte
	refused bool // a growth was refused since the last call
}

// Allocate implements experimental.MemoryAllocator. A guest has one memory:
// one that declares more is not a valid module.
func (l *linear) Allocate(_, _ uint64) experimental.LinearMemory { return l }

// Reallocate implements experimental.LinearMemory. The first size, the
// module's minimum, was held against the limit before.
func (l *linear) Reallocate(size uint64) []byte {
	if size > l.limit {
		l.refused = true
		return nil
	}
	if l.bytes == nil {
		l.plot = l.fields.take(max(size, l.reserve))
		l.bytes = l.plot.bytes()
		l.settle(size)
	}
	if size > uint64(cap(l.bytes)) {
		l.move(size)
	}
	l.bytes = l.bytes[:size]
	return l.bytes
}

// lazily is how much of a declared memory the kernel makes resident when the
// guest first touches it: a page of the processor at a time, each in a
// microsecond or two.
const lazily = 8 * pageBytes

// settle makes the rest resident when the instance begins. Fuel does not pay for
// first touches, and a guest could do all of them in one question.
func (l *linear) settle(size uint64) {
	if size > lazily && size <= uint64(cap(l.bytes)) {
		populate(l.bytes[lazily:size])
	}
}

// view returns a region as it is now; growing may move it.
func (l *linear) view(r region) ([]byte, bool) {
	from, to := uint64(r.addr), uint64(r.addr)+uint64(r.size)
	if to > uint64(len(l.bytes)) {
		return nil, false
	}
	return l.bytes[from:to:to], true
}

// move gives it more room, in Go's heap. Doubling keeps a guest that grows page
// by page from making the host copy its memory each time.
func (l *linear) move(size uint64) {
	grown := make([]byte, size, min(max(size, 2*uint64(cap(l.bytes))), l.limit))
	copy(grown, l.bytes)
	l.Free()
	l.bytes = grown
}

// Free implements experimental.LinearMemory. What it gives back is another
// guest's next: nobody may look at it any more. Idempotent.
func (l *linear) Free() {
	l.bytes = nil
	l.plot.giveBack()
	l.plot = plot{}
}
