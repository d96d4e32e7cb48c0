package engine

import "github.com/tetratelabs/wazero/experimental"

// linear is the memory of one instance. It knows when the guest wanted more
// than it may have, which wazero's own limit does not tell.
type linear struct {
	limit   uint64 // bytes
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
	if size > uint64(cap(l.bytes)) {
		// Doubling keeps a guest that grows page by page from making the host
		// copy its memory each time.
		grown := make([]byte, size, min(max(size, 2*uint64(cap(l.bytes))), l.limit))
		copy(grown, l.bytes)
		l.bytes = grown
	}
	l.bytes = l.bytes[:size]
	return l.bytes
}

// Free implements experimental.LinearMemory.
func (l *linear) Free() { l.bytes = nil }
