package policy

import (
	"errors"
	"strconv"
	"unsafe"
)

// Stateful is a Policy that learns. State returns the memory that holds all
// it has learned, always the same slice, made with MakeState; it is asked for
// in Register. The host copies it out from time to time, and into the next
// instance of the policy, after Configure and before the first question. So it
// holds no pointers and nothing that depends on parameters, and all zero means
// that nothing is learned yet.
type Stateful interface {
	State() []byte
}

// Formatted is a Stateful policy that numbers the layout of its state: the
// host hands state over only between equal formats and lengths. Without it
// the number is 0.
type Formatted interface {
	StateFormat() int64
}

// StateMax is the most that Stateful.State may return, in bytes.
const StateMax = 64 << 10

// MakeState returns n zero bytes that lie where the ABI wants learned state to
// lie, at a multiple of 8.
func MakeState(n int) []byte {
	if n <= 0 {
		return nil
	}
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}

// checkState says why the host would refuse b.
func checkState(b []byte) error {
	if len(b) > StateMax {
		return errors.New("policy: State has " + strconv.Itoa(len(b)) + " bytes, more than " + strconv.Itoa(StateMax))
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%8 != 0 {
		return errors.New("policy: State is not at a multiple of 8: use MakeState")
	}
	return nil
}
