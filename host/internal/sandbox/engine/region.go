package engine

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// pageBytes is a page of Wasm memory.
const pageBytes = 64 << 10

// region is a piece of guest memory that the guest has named.
type region struct {
	addr, size uint32
}

// regionOf unpacks size<<32 | address.
func regionOf(packed uint64) region {
	return region{addr: uint32(packed), size: uint32(packed >> 32)}
}

// check holds the region against the memory as it is now: 8-aligned, and
// inside. Memory never shrinks, so what was inside stays inside.
func (r region) check(mem api.Memory) error {
	if r.addr%8 != 0 {
		return fmt.Errorf("address %d is not a multiple of 8", r.addr)
	}
	if end, size := uint64(r.addr)+uint64(r.size), uint64(mem.Size()); end > size {
		return fmt.Errorf("bytes %d to %d are outside the memory of %d bytes", r.addr, end, size)
	}
	return nil
}

// covers reports whether the region has the bytes [offset, offset+size).
func (r region) covers(offset, size uint32) bool {
	return uint64(offset)+uint64(size) <= uint64(r.size)
}

// String returns what an error message shows.
func (r region) String() string { return fmt.Sprintf("%d bytes at %d", r.size, r.addr) }
