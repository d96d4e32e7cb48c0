package abi

import "math/bits"

// Bin returns the bin of a gap: bin 0 holds gaps under 16 ms, then four bins
// an octave, each at most 25 % wide; the last is open (from about 56 hours).
func Bin(ms uint32) int {
	if ms < 16 {
		return 0
	}
	o := bits.Len32(ms) - 1
	return min(1+(o-4)*4+int(ms>>(o-2)&3), Bins-1)
}

// BinLow returns the smallest gap of a bin, in milliseconds; for i = Bins the
// first that is past the last bin.
func BinLow(i int) uint32 {
	if i <= 0 {
		return 0
	}
	i--
	return uint32(4+i&3) << (i>>2 + 2)
}

// Verdict packs an answer as a guest returns it: bits 0-31 the deadline in
// milliseconds, 32-39 the action, 40-47 the flags, 48-62 a reason of the
// policy's own, bit 63 zero.
func Verdict(a Action, deadlineMs uint32, flags uint8, reason uint16) int64 {
	return int64(deadlineMs) | int64(a)<<32 | int64(flags)<<40 | int64(reason&0x7fff)<<48
}
