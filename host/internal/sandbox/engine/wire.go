package engine

import (
	"encoding/binary"
	"unsafe"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// The Go structs are laid out as guest memory is (held by a test in sdk/abi),
// so on a little-endian machine an event is its own encoding.

func nativeLittle() bool {
	x := uint16(1)
	return *(*byte)(unsafe.Pointer(&x)) == 1
}

// putEvent writes as much of e as fits into dst.
func putEvent(dst []byte, e *policy.Event) {
	if nativeLittle() {
		copy(dst, (*[abi.EventUsed]byte)(unsafe.Pointer(e))[:])
		return
	}
	putPortable(dst, e)
}

// putGaps writes as much of g as fits into dst.
func putGaps(dst []byte, g *policy.Gaps) {
	if nativeLittle() {
		copy(dst, (*[abi.GapsSize]byte)(unsafe.Pointer(g))[:])
		return
	}
	putPortable(dst, g)
}

// putPortable writes v, an *Event or *Gaps, whatever the machine's byte order.
func putPortable(dst []byte, v any) {
	var full [max(abi.EventUsed, abi.GapsSize)]byte
	n, err := binary.Encode(full[:], binary.LittleEndian, v)
	if err != nil {
		panic("engine: BUG: " + err.Error()) // only a field without a fixed size can do this
	}
	copy(dst, full[:n])
}

// takeLeases copies the leases that a guest has changed.
func takeLeases(leases *[abi.Phases]uint32, src []byte) {
	for i := range leases {
		leases[i] = binary.LittleEndian.Uint32(src[4*i:])
	}
}

const leaseBytes = 4 * abi.Phases
