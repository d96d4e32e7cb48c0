package compile

import (
	"bytes"
	"slices"

	"idlehost/host/internal/sandbox/wasmtest"
)

// plain is a right policy; n makes it another.
func plain(n int64) []byte {
	return wasmtest.Guest(wasmtest.Returns("other", n)).Bytes()
}

// nestedLoops makes the register allocator's work quadratic and worse: every
// local lives through every loop.
func nestedLoops(depth, locals int) []byte {
	var body []byte
	for range depth {
		body = append(body, 0x03, 0x40) // loop
	}
	for i := range locals {
		body = slices.Concat(body, wasmtest.LocalGet(uint32(i)), wasmtest.Const32(1), []byte{0x6a, 0x21}, leb(i))
	}
	for range depth {
		body = slices.Concat(body, wasmtest.LocalGet(0), []byte{0x0d, 0, 0x0b}) // br_if 0, end
	}
	return wasmtest.Module{NoMemory: true, Funcs: []wasmtest.Func{{Locals: uint32(locals), Body: body}}}.Bytes()
}

// endless takes minutes, and may.
func endless(n int) Order { return Order{Wasm: nestedLoops(500, n), Effort: 1 << 32} }

// nestedBlocks is deep and does nothing.
func nestedBlocks(depth int) []byte {
	body := slices.Concat(bytes.Repeat([]byte{0x02, 0x40}, depth), bytes.Repeat([]byte{0x0b}, depth))
	return wasmtest.Module{NoMemory: true, Funcs: []wasmtest.Func{{Body: body}}}.Bytes()
}

// manyLocals declares more than fit into memory.
func manyLocals(n uint32) []byte {
	return wasmtest.Module{NoMemory: true, Funcs: []wasmtest.Func{{Locals: n}}}.Bytes()
}

// manyTargets is a br_table of n targets.
func manyTargets(n int) []byte {
	body := slices.Concat(wasmtest.Const32(0), []byte{0x0e}, leb(n), make([]byte, n+1))
	return wasmtest.Module{NoMemory: true, Funcs: []wasmtest.Func{{Body: body}}}.Bytes()
}

// manyImports says that there are n imports, and ends.
func manyImports(n uint64) []byte {
	count := leb(int(n))
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00\x02"), leb(len(count)), count)
}

// longCode is n additions in a row.
func longCode(n int) []byte {
	body := bytes.Repeat([]byte{0x20, 0, 0x20, 1, 0x6a, 0x21, 0}, n)
	return wasmtest.Module{NoMemory: true, Funcs: []wasmtest.Func{{Locals: 2, Body: body}}}.Bytes()
}

// manyFuncs has a right policy's functions, and n more.
func manyFuncs(n int) []byte {
	var funcs []wasmtest.Func
	for i := range n {
		funcs = append(funcs, wasmtest.Func{Results: []byte{wasmtest.I64}, Body: wasmtest.Const64(int64(i))})
	}
	return wasmtest.Guest(funcs...).Bytes()
}
