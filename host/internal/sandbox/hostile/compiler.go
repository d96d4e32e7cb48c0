package hostile

import (
	"bytes"
	"slices"

	w "idlehost/host/internal/sandbox/wasmtest"
)

// compiler holds modules that are valid, small, and take a compiler more than
// linear time or memory, and others that keep just below a cap of the gate's.
func compiler() []Attack {
	return []Attack{
		attack("nested-loops-over-locals", "500 nested loops carry 500 locals: 8 KB that compile for 52 s.", refused("compile effort"),
			func() []byte { return loops(500, 500, true) }),
		attack("flat-loops-over-locals", "15,000 loops in a row each change some of 1000 locals.", refused("compile effort"),
			func() []byte { return loops(15_000, 1000, false) }),
		attack("ifs-over-locals", "10,000 branches each change one of 1000 locals, which all join behind it.", refused("compile effort"),
			func() []byte { return ifs(10_000, 1000) }),
		attack("loop-that-hands-locals-on", "A loop hands each of 1000 locals on to the next: 4 KB that compile for 24 s.", bounded(),
			func() []byte { return handOn(1000) }),
		attack("nested-loops-that-read-locals", "Twenty nested loops read 1000 locals: 4 KB that compile for seconds.", bounded(),
			func() []byte { return readers(20, 1000) }),
		attack("br-table-of-200-thousand", "A br_table has 200,000 targets: 200 KB that compile for 15 s.", refused("branch targets"),
			func() []byte { return brTables(1, 200_000) }),
		attack("br-tables-30", "Thirty br_tables have 16,000 targets each.", bounded(),
			func() []byte { return brTables(30, 16_000) }),
		attack("br-tables-below-the-cap", "Eight br_tables have 16,000 targets each.", bounded(),
			func() []byte { return brTables(8, 16_000) }),
		attack("blocks-80-thousand-deep", "80,000 blocks are nested: 240 KB that compile for a minute.", refused("depth"),
			func() []byte { return nested(80_000) }),
		attack("blocks-at-the-cap", "Blocks are nested as deep as the gate lets them.", bounded(),
			func() []byte { return nested(4000) }),
		attack("ifs-nested-4000", "Branches with both arms are nested 4000 deep.", bounded(),
			func() []byte { return nestedIfs(4000) }),
		attack("ifs-nested-1000", "Branches with both arms are nested 1000 deep.", bounded(),
			func() []byte { return nestedIfs(1000) }),
		attack("operands-40-thousand", "40,000 operands are on the stack at once.", refused("operands"),
			func() []byte { return operands(40_000) }),
		attack("operands-at-the-cap", "As many operands as the gate allows are on the stack at once.", bounded(),
			func() []byte { return operands(32_000) }),
		attack("straight-line-of-2-megabytes", "One function has two megabytes of code without a branch.", refused("body bytes"),
			func() []byte { return straight(1, 500_000) }),
		attack("straight-lines-at-the-cap", "Seven functions have half a megabyte of code each.", bounded(),
			func() []byte { return straight(7, 130_000) }),
		attack("locals-of-all-functions", "4000 functions have 1000 locals each.", refused("all locals"),
			func() []byte { return manyFuncs(4000, 1000) }),
		attack("functions-40-thousand", "There are 40,000 functions.", refused("functions"),
			func() []byte { return manyFuncs(40_000, 0) }),
		attack("functions-at-the-cap", "There are as many functions as the gate allows.", bounded(),
			func() []byte { return manyFuncs(32_000, 0) }),
		attack("block-of-1000-results", "A block leaves 1000 results.", refused("results"),
			func() []byte {
				t := slices.Concat(op(0x60, 0), str(bytes.Repeat(op(w.I64), 1000)))
				return raw(section(secType, vec(op(0x60, 0, 0), t)), section(secFunction, vec(u(0))),
					section(secCode, vec(str(slices.Concat(op(0, 0x02), u(1), op(0x00, endOp, 0x00, endOp))))))()
			}),
		attack("function-of-1000-parameters", "A function takes 1000 parameters.", refused("params"),
			func() []byte { return takes(1000) }),
		attack("parameters-at-the-cap", "A function of 128 parameters is called 3000 times.", bounded(),
			func() []byte { return takes(128) }),
		attack("dead-code", "500 KB of code are never reached, where the validator takes any type for any other.", bounded(),
			func() []byte {
				dead := slices.Concat(op(0x02, voidType, 0x00), bytes.Repeat(op(0x6a, 0x1a), 250_000), op(endOp))
				return plainGuest(dead)
			}),
		attack("globals-2000", "There are 2000 globals.", refused("globals"),
			func() []byte {
				m := w.Guest()
				m.Globals = make([]int64, 2000)
				return m.Bytes()
			}),
		attack("selects-in-a-chain", "100,000 selects feed one another.", bounded(),
			func() []byte {
				return plainGuest(slices.Concat(w.Const32(1), bytes.Repeat(op(0x41, 2, 0x41, 0, 0x1b), 100_000), w.Drop()))
			}),
	}
}

// plainGuest is a right policy with a function besides that nobody calls.
func plainGuest(code []byte) []byte { return w.Guest(procedure("", code)).Bytes() }

// loops has n loops, in one another or in a row, each of which changes a local
// and may repeat; so every local has a value of its own at every loop.
func loops(n, locals int, nest bool) []byte {
	var open, shut []byte
	for i := range n {
		l := u(uint64(i % locals))
		open = append(open, slices.Concat(op(0x03, voidType, 0x20), l, op(0x41, 1, 0x6a, 0x21), l)...)
		repeat := slices.Concat(op(0x20), l, op(0x0d, 0, endOp))
		if nest {
			shut = append(shut, repeat...)
		} else {
			open = append(open, repeat...)
		}
	}
	return w.Guest(w.Func{Locals: uint32(locals), Body: append(open, shut...)}).Bytes()
}

func ifs(n, locals int) []byte {
	var code []byte
	for i := range n {
		l := u(uint64(i % locals))
		code = append(code, slices.Concat(op(0x20), l, op(0x04, voidType, 0x41, 1, 0x21), l, op(endOp))...)
	}
	return w.Guest(w.Func{Locals: uint32(locals), Body: code}).Bytes()
}

func brTables(n, targets int) []byte {
	table := slices.Concat(op(0x02, voidType, 0x41, 0, 0x0e), u(uint64(targets)), make([]byte, targets+1), op(endOp))
	return plainGuest(bytes.Repeat(table, n))
}

func nested(n int) []byte {
	return plainGuest(append(bytes.Repeat(op(0x02, voidType), n), bytes.Repeat(op(endOp), n)...))
}

func operands(n int) []byte {
	return plainGuest(slices.Concat(bytes.Repeat(op(0x41, 1), n), bytes.Repeat(op(0x6a), n-1), w.Drop()))
}

// straight has functions of n times three instructions: two operands of a sum.
func straight(funcs, n int) []byte {
	m := w.Guest()
	for range funcs {
		m.Funcs = append(m.Funcs, procedure("", w.Const32(1), bytes.Repeat(op(0x41, 3, 0x6c), n), w.Drop()))
	}
	return m.Bytes()
}

func manyFuncs(n int, locals uint32) []byte {
	m := w.Guest()
	m.Funcs = append(m.Funcs, slices.Repeat([]w.Func{{Locals: locals}}, n)...)
	return m.Bytes()
}

func takes(params int) []byte {
	many := w.Func{Params: bytes.Repeat(op(w.I64), params)}
	one := slices.Concat(bytes.Repeat(op(0x42, 1), params), w.Call(4))
	return w.Guest(many, procedure("", bytes.Repeat(one, min(3000, (400<<10)/len(one))))).Bytes()
}

func nestedIfs(n int) []byte {
	return plainGuest(slices.Concat(bytes.Repeat(op(0x41, 0, 0x04, voidType), n), bytes.Repeat(op(0x05, 0x01, endOp), n)))
}

// handOn has each local take the next one's value, in a loop.
func handOn(locals int) []byte {
	body := op(0x03, voidType)
	for i := range locals - 1 {
		body = slices.Concat(body, w.LocalGet(uint32(i+1)), op(0x21), u(uint64(i)))
	}
	return w.Guest(w.Func{Locals: uint32(locals), Body: slices.Concat(body, op(0x20, 0, 0x0d, 0, endOp))}).Bytes()
}

// readers nests loops around code that reads all locals.
func readers(depth, locals int) []byte {
	body := bytes.Repeat(op(0x03, voidType), depth)
	for i := range locals {
		body = slices.Concat(body, w.LocalGet(uint32(i)), w.Drop())
	}
	return w.Guest(w.Func{Locals: uint32(locals), Body: append(body, bytes.Repeat(op(0x20, 0, 0x0d, 0, endOp), depth)...)}).Bytes()
}
