package gatetest

import (
	"bytes"
	"encoding/binary"

	"idlehost/host/internal/sandbox/wasmtest"
)

// Shape is a family of modules that are small for what they cost a compiler.
type Shape struct {
	Name  string
	Build func(n int) wasmtest.Module
}

// Shapes returns the families, each growing with n in one way.
func Shapes() []Shape {
	return []Shape{
		{"square of nested loops and locals", func(n int) wasmtest.Module { return one(n, 0, nested(3, n, n)) }},
		{"nested loops, ten locals", func(n int) wasmtest.Module { return one(10, 0, nested(3, n, 10)) }},
		{"ten nested loops, many locals", func(n int) wasmtest.Module { return one(n, 0, nested(3, 10, n)) }},
		{"square of nested blocks and locals", func(n int) wasmtest.Module { return one(n, 0, nested(2, n, n)) }},
		{"many functions of 30 loops and 30 locals", func(n int) wasmtest.Module { return many(n, 30, nested(3, 30, 30)) }},
		{"nested ifs", func(n int) wasmtest.Module { return one(2, 0, nestedIfs(n)) }},
		{"ifs in a row, as many locals", func(n int) wasmtest.Module { return one(n, 0, repeat(n, ifSet)) }},
		{"loops in a row, 100 locals", func(n int) wasmtest.Module { return one(100, 0, repeat(n, loopSet)) }},
		{"branches to one block", func(n int) wasmtest.Module { return one(1, 0, branches(n)) }},
		{"empty nested blocks", func(n int) wasmtest.Module { return one(1, 0, empty(n)) }},
		{"functions of 1000 empty nested blocks", func(n int) wasmtest.Module { return many(n, 1, empty(1000)) }},
		{"one large table of branches", func(n int) wasmtest.Module { return one(1, 0, branchTable(n)) }},
		{"functions of tables to nested blocks", func(n int) wasmtest.Module { return many(n, 4, dispatch(200)) }},
		{"calls, 100 globals", func(n int) wasmtest.Module { return one(1, 100, repeat(n, call)) }},
		{"calls, no globals", func(n int) wasmtest.Module { return one(1, 0, repeat(n, call)) }},
		{"dependent loads", func(n int) wasmtest.Module { return one(1, 0, repeat(n, load)) }},
		{"functions of 1000 dependent loads", func(n int) wasmtest.Module { return many(n, 1, repeat(1000, load)) }},
		{"divisions", func(n int) wasmtest.Module { return one(1, 0, repeat(n, divide)) }},
		{"conversions that may trap", func(n int) wasmtest.Module { return one(1, 0, repeat(n, truncate)) }},
		{"functions of 100 divisions", func(n int) wasmtest.Module { return many(n, 1, repeat(100, divide)) }},
		{"functions of 100 conversions that may trap", func(n int) wasmtest.Module { return many(n, 1, repeat(100, truncate)) }},
		{"straight line", func(n int) wasmtest.Module { return one(16, 0, repeat(n, add)) }},
		{"functions of a straight line", func(n int) wasmtest.Module { return many(n, 16, repeat(1000, add)) }},
		{"empty functions", func(n int) wasmtest.Module { return many(n, 0, nil) }},
		{"functions with 30 locals", func(n int) wasmtest.Module { return many(n, 30, add(1)) }},
		{"tall stack over branches", func(n int) wasmtest.Module { return one(4, 0, tall(n)) }},
		{"ifs over 8000 operands", func(n int) wasmtest.Module { return one(4, 0, over(8000, branchIf, n)) }},
		{"loops over 8000 operands", func(n int) wasmtest.Module { return one(4, 0, over(8000, loopIf, n)) }},
		{"jumps over 8000 operands", func(n int) wasmtest.Module { return one(4, 0, over(8000, skip, n)) }},
		{"arms over 8000 operands", func(n int) wasmtest.Module { return one(4, 0, over(8000, either, n)) }},
		{"tables over 1000 operands", func(n int) wasmtest.Module { return one(4, 0, over(1000, dispatch(8), n)) }},
		{"memory.fill over 8000 operands", func(n int) wasmtest.Module { return one(4, 0, over(8000, bulk(11)(0), n)) }},
		{"loops over 1000 locals", func(n int) wasmtest.Module {
			return one(1000, 0, wasmtest.Code(filled(1000), bytes.Repeat(loopIf, n), summed(1000)))
		}},
		{"memory.fill", func(n int) wasmtest.Module { return one(1, 0, repeat(n, bulk(11))) }},
		{"memory.copy", func(n int) wasmtest.Module { return one(1, 0, repeat(n, bulk(10))) }},
		{"memory.grow", func(n int) wasmtest.Module { return one(1, 0, repeat(n, grow)) }},
		{"functions of 20 memory.fill", func(n int) wasmtest.Module { return many(n, 1, repeat(20, bulk(11))) }},
		{"a loop that hands each local on to the next", func(n int) wasmtest.Module { return one(n+1, 0, handOn(n)) }},
		{"functions of a loop that hands 100 locals on", func(n int) wasmtest.Module { return many(n, 101, handOn(100)) }},
		{"functions of a loop that hands 128 parameters on", rotate},
		{"square of nested loops and locals that are read", func(n int) wasmtest.Module { return one(n, 0, readers(n, n)) }},
		{"functions of 10 loops that read 300 locals", func(n int) wasmtest.Module { return many(n, 300, readers(10, 300)) }},
		{"functions of a loop with 10 ways back, 300 locals", func(n int) wasmtest.Module { return many(n, 300, again(10, 300)) }},
		{"functions of 10 ifs that permute 100 locals", func(n int) wasmtest.Module { return many(n, 100, permute(10, 100)) }},
		{"functions of 10 memory.fill over 200 locals", func(n int) wasmtest.Module { return many(n, 201, wasmtest.Code(repeat(10, bulk(11)), moves(200))) }},
		{"functions of 30 small ifs", func(n int) wasmtest.Module { return many(n, 1, repeat(30, func(int) []byte { return ifSet(0) })) }},
	}
}

// one has a function 0 that does nothing, and one with a body.
func one(locals, globals int, body []byte) wasmtest.Module {
	return wasmtest.Module{
		Pages: 1, Globals: make([]int64, globals),
		Funcs: []wasmtest.Func{{}, {Locals: uint32(locals), Body: body}},
	}
}

func many(n, locals int, body []byte) wasmtest.Module {
	m := one(locals, 0, body)
	for range n {
		m.Funcs = append(m.Funcs, m.Funcs[1])
	}
	return m
}

func repeat(n int, f func(i int) []byte) []byte {
	var b bytes.Buffer
	for i := range n {
		b.Write(f(i))
	}
	return b.Bytes()
}

func add(i int) []byte { return increment(i % 16) }

func increment(local int) []byte {
	index := binary.AppendUvarint(nil, uint64(local))
	return wasmtest.Code([]byte{0x20}, index, wasmtest.Const32(1), []byte{0x6a, 0x21}, index)
}

// nested nests n blocks or loops that may be left or repeated, around code
// that writes all locals.
func nested(op byte, n, locals int) []byte {
	again := wasmtest.Code(wasmtest.LocalGet(0), []byte{0x0d, 0})
	head, tail := wasmtest.Code([]byte{op, 0x40}, again), []byte{0x0b}
	if op == 3 {
		head, tail = []byte{op, 0x40}, wasmtest.Code(again, []byte{0x0b})
	}
	body := repeat(locals, increment)
	return wasmtest.Code(bytes.Repeat(head, n), body, bytes.Repeat(tail, n), body)
}

func nestedIfs(n int) []byte {
	head := wasmtest.Code(wasmtest.LocalGet(0), []byte{4, 0x40}, increment(1))
	return wasmtest.Code(bytes.Repeat(head, n), bytes.Repeat([]byte{0x0b}, n))
}

func ifSet(i int) []byte { return wasmtest.Code(wasmtest.LocalGet(0), wasmtest.If(increment(i))) }

func loopSet(i int) []byte {
	return wasmtest.Code([]byte{3, 0x40}, increment(i%100), wasmtest.LocalGet(0), []byte{0x0d, 0, 0x0b})
}

func branches(n int) []byte {
	return wasmtest.Code([]byte{2, 0x40}, bytes.Repeat(wasmtest.Code(wasmtest.LocalGet(0), []byte{0x0d, 0}), n), []byte{0x0b})
}

func empty(n int) []byte {
	return wasmtest.Code(bytes.Repeat([]byte{2, 0x40}, n), bytes.Repeat([]byte{0x0b}, n))
}

func branchTable(n int) []byte {
	count := binary.AppendUvarint(nil, uint64(n))
	return wasmtest.Code([]byte{2, 0x40}, wasmtest.LocalGet(0), []byte{0x0e}, count, make([]byte, n+1), []byte{0x0b})
}

// dispatch is what Go compiles a function to.
func dispatch(n int) []byte {
	labels := binary.AppendUvarint(nil, uint64(n-1))
	for i := range n {
		labels = binary.AppendUvarint(labels, uint64(i))
	}
	after := func(i int) []byte { return wasmtest.Code([]byte{0x0b}, increment(i%4)) }
	return wasmtest.Code(bytes.Repeat([]byte{2, 0x40}, n), wasmtest.LocalGet(0), []byte{0x0e}, labels, repeat(n, after))
}

func call(int) []byte { return wasmtest.Call(0) }

func load(i int) []byte {
	offset := binary.AppendUvarint(nil, uint64(i)*4)
	return wasmtest.Code(wasmtest.LocalGet(0), []byte{0x28, 2}, offset, []byte{0x21, 0})
}

func divide(int) []byte {
	return wasmtest.Code(wasmtest.LocalGet(0), wasmtest.LocalGet(0), []byte{0x6d, 0x21, 0})
}

func truncate(int) []byte { return wasmtest.Code([]byte{0x43, 0, 0, 0, 0x40, 0xa9, 0x21, 0}) }

func tall(n int) []byte {
	branch := wasmtest.Code([]byte{2, 0x40}, wasmtest.LocalGet(0), []byte{0x0d, 0}, increment(0), []byte{0x0b})
	return wasmtest.Code(wasmtest.Const32(0), held(n), bytes.Repeat(branch, n), released(n))
}

// held pushes n values, which live until they are released: summed up, and
// stored where an address was pushed before.
func held(n int) []byte {
	return repeat(n, func(i int) []byte {
		return wasmtest.Code(wasmtest.LocalGet(0), wasmtest.Const32(int32(i)), []byte{0x6c})
	})
}

func released(n int) []byte {
	return wasmtest.Code(bytes.Repeat([]byte{0x6a}, n-1), []byte{0x36, 2, 0})
}

// over has operands live while n blocks begin and end.
func over(operands int, b []byte, n int) []byte {
	return wasmtest.Code(wasmtest.Const32(0), held(operands), bytes.Repeat(b, n), released(operands))
}

// Blocks that may be taken or not.
var (
	branchIf = wasmtest.Code(wasmtest.LocalGet(0), []byte{4, 0x40}, increment(1), []byte{0x0b})
	loopIf   = wasmtest.Code([]byte{3, 0x40}, wasmtest.LocalGet(0), []byte{0x0d, 0, 0x0b})
	skip     = wasmtest.Code([]byte{2, 0x40}, wasmtest.LocalGet(0), []byte{0x0d, 0}, increment(1), []byte{0x0b})
	either   = wasmtest.Code(wasmtest.LocalGet(0), []byte{4, 0x40}, increment(1), []byte{5}, increment(2), []byte{0x0b})
)

// filled gives locals values, which live until they are summed up.
func filled(n int) []byte {
	return repeat(n-1, func(i int) []byte {
		return wasmtest.Code(wasmtest.LocalGet(0), wasmtest.Const32(int32(i)), []byte{0x6c}, set(i+1))
	})
}

func summed(n int) []byte {
	get := func(i int) []byte { return wasmtest.LocalGet(uint32(i)) }
	return wasmtest.Code(wasmtest.Const32(0), repeat(n, get), released(n))
}

func bulk(op byte) func(int) []byte {
	zeros := 1
	if op == 10 {
		zeros = 2
	}
	c := wasmtest.Const32(1)
	return func(int) []byte { return wasmtest.Code(c, c, c, []byte{0xfc, op}, make([]byte, zeros)) }
}

func grow(int) []byte { return wasmtest.Code(wasmtest.Grow(1), wasmtest.Drop()) }

// handOn has each of n locals take the next one's value, in a loop. All are
// zero, which takes a compiler as many rounds to see as there are locals.
func handOn(n int) []byte {
	return wasmtest.Code([]byte{3, 0x40}, moves(n), wasmtest.LocalGet(0), []byte{0x0d, 0, 0x0b})
}

func moves(n int) []byte {
	return repeat(n, func(i int) []byte { return wasmtest.Code(wasmtest.LocalGet(uint32(i+1)), set(i)) })
}

// rotate hands a loop's parameters on without a local: each branch back has one
// more on top.
func rotate(n int) wasmtest.Module {
	params := bytes.Repeat([]byte{wasmtest.I32}, 128)
	gets := repeat(128, func(i int) []byte { return wasmtest.LocalGet(uint32(i)) })
	loop := wasmtest.Code(gets, []byte{3, 1}, wasmtest.LocalGet(0), wasmtest.LocalGet(0), []byte{0x0d, 0},
		bytes.Repeat(wasmtest.Drop(), 129), []byte{0x0b})
	m := wasmtest.Module{Pages: 1, Funcs: []wasmtest.Func{{}}}
	for range n {
		m.Funcs = append(m.Funcs, wasmtest.Func{Params: params, Body: loop})
	}
	return m
}

// readers nests loops around code that reads all locals and writes none.
func readers(depth, locals int) []byte {
	read := repeat(locals, func(i int) []byte { return wasmtest.Code(wasmtest.LocalGet(uint32(i)), wasmtest.Drop()) })
	return wasmtest.Code(bytes.Repeat([]byte{3, 0x40}, depth), read, bytes.Repeat(wasmtest.Code(wasmtest.LocalGet(0), []byte{0x0d, 0, 0x0b}), depth))
}

// again is a loop that begins anew in n places.
func again(n, locals int) []byte {
	read := repeat(locals, func(i int) []byte { return wasmtest.Code(wasmtest.LocalGet(uint32(i)), wasmtest.Drop()) })
	return wasmtest.Code([]byte{3, 0x40}, read, bytes.Repeat(wasmtest.Code(wasmtest.LocalGet(0), []byte{0x0d, 0}), n), []byte{0x0b})
}

// permute has n ifs, in each of which the locals change places.
func permute(n, locals int) []byte {
	gets := repeat(locals, func(i int) []byte { return wasmtest.LocalGet(uint32((i + 1) % locals)) })
	sets := repeat(locals, func(i int) []byte { return set(locals - 1 - i) })
	return bytes.Repeat(wasmtest.Code(wasmtest.LocalGet(0), []byte{4, 0x40}, gets, sets, []byte{0x0b}), n)
}

func set(local int) []byte { return append([]byte{0x21}, binary.AppendUvarint(nil, uint64(local))...) }
