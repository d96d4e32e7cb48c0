package wasmtest

import "slices"

// Code joins pieces of code.
func Code(pieces ...[]byte) []byte { return slices.Concat(pieces...) }

// Unreachable traps.
func Unreachable() []byte { return []byte{0x00} }

// Drop discards the value on top of the stack.
func Drop() []byte { return []byte{0x1a} }

// Forever is a loop without an end.
func Forever() []byte { return []byte{0x03, 0x40, 0x0c, 0x00, 0x0b} }

// Countdown is a loop of n rounds that does nothing but count, in a local.
func Countdown(local uint32, n int32) []byte {
	l := uleb(uint64(local))
	return slices.Concat(Const32(n), []byte{0x21}, l, []byte{0x03, 0x40, 0x20}, l,
		Const32(1), []byte{0x6b, 0x22}, l, []byte{0x0d, 0x00, 0x0b})
}

// Const32 pushes an i32.
func Const32(v int32) []byte { return slices.Concat([]byte{0x41}, sleb(int64(v))) }

// Const64 pushes an i64.
func Const64(v int64) []byte { return slices.Concat([]byte{0x42}, sleb(v)) }

// Call calls a function by index, imports first.
func Call(i uint32) []byte { return slices.Concat([]byte{0x10}, uleb(uint64(i))) }

// LocalGet pushes a parameter or local.
func LocalGet(i uint32) []byte { return slices.Concat([]byte{0x20}, uleb(uint64(i))) }

// GlobalGet pushes a global.
func GlobalGet(i uint32) []byte { return slices.Concat([]byte{0x23}, uleb(uint64(i))) }

// GlobalSet pops into a global.
func GlobalSet(i uint32) []byte { return slices.Concat([]byte{0x24}, uleb(uint64(i))) }

// Load32 pushes the u32 at a constant address.
func Load32(addr uint32) []byte { return access(0x28, addr) }

// Load16 pushes the u16 at a constant address as an i32.
func Load16(addr uint32) []byte { return access(0x2f, addr) }

// Load8 pushes the byte at a constant address as an i32.
func Load8(addr uint32) []byte { return access(0x2d, addr) }

// Load64 pushes the u64 at a constant address.
func Load64(addr uint32) []byte { return access(0x29, addr) }

// Store32 stores what value pushes at a constant address.
func Store32(addr uint32, value []byte) []byte { return store(0x36, addr, value) }

// Store64 stores what value pushes at a constant address.
func Store64(addr uint32, value []byte) []byte { return store(0x37, addr, value) }

// Grow asks for pages of memory, and pushes the answer.
func Grow(pages int32) []byte { return Code(Const32(pages), []byte{0x40, 0}) }

// Extend turns an unsigned i32 into an i64.
func Extend() []byte { return []byte{0xad} }

// Add64 adds two i64.
func Add64() []byte { return []byte{0x7c} }

// Or64 joins the bits of two i64.
func Or64() []byte { return []byte{0x84} }

// Equal64 compares two i64.
func Equal64() []byte { return []byte{0x51} }

// If runs then when the i32 on top of the stack is not zero.
func If(then []byte) []byte { return Code([]byte{0x04, 0x40}, then, []byte{0x0b}) }

func access(op byte, addr uint32) []byte {
	return slices.Concat(Const32(0), []byte{op, 0}, uleb(uint64(addr)))
}

func store(op byte, addr uint32, value []byte) []byte {
	return slices.Concat(Const32(0), value, []byte{op, 0}, uleb(uint64(addr)))
}

func uleb(v uint64) []byte {
	var b []byte
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func sleb(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
