package gatetest

import (
	"bytes"

	"idlehost/host/internal/sandbox/wasmtest"
)

// body generates a function.
func (g *generator) body(s signature) []byte {
	g.out = bytes.Buffer{}
	g.budget = 300
	g.locals = append(append([]byte{}, s.params...), extra()...)
	g.labels = [][]byte{s.results}
	g.out.WriteByte(byte(len(extra())))
	for _, t := range extra() {
		g.out.Write([]byte{1, t})
	}
	// Every call takes a step; without one, it traps.
	g.step()
	g.op(0x04, 0x40, 0x00, 0x0b)
	g.statements(5)
	for _, t := range s.results {
		g.expression(t, 4)
	}
	g.op(0x0b)
	return g.out.Bytes()
}

// step takes a step, and pushes whether none was left.
func (g *generator) step() {
	g.out.Write(wasmtest.Code(wasmtest.GlobalGet(globalSteps), wasmtest.Const32(1), []byte{0x6b}, wasmtest.GlobalSet(globalSteps)))
	g.out.Write(wasmtest.Code(wasmtest.GlobalGet(globalSteps), wasmtest.Const32(0), []byte{0x48}))
}

func (g *generator) statements(depth int) {
	for range g.pick(6) {
		g.statement(depth)
	}
}

func (g *generator) statement(depth int) {
	if depth == 0 || g.budget < 0 {
		return
	}
	switch g.pick(13) {
	case 0, 1:
		g.set(depth)
	case 2:
		g.op(0x02, 0x40)
		g.inside(nil, depth)
	case 3:
		g.loop(depth)
	case 4:
		g.expression(i32, depth-1)
		g.op(0x04, 0x40)
		g.labels = append(g.labels, nil)
		g.statements(depth - 1)
		if g.pick(2) == 1 {
			g.op(0x05)
			g.statements(depth - 1)
		}
		g.close()
	case 5:
		g.branch(depth)
	case 6:
		g.store(depth)
	case 7:
		g.sized(depth)
	case 8:
		g.branchTable(depth)
	case 9:
		t := globals()[1+g.pick(4)]
		g.expression(t, depth-1)
		g.op(0x1a)
	case 10:
		if g.pick(8) == 7 {
			g.op(0x00) // and dead code behind it
		}
	case 11:
		g.expression(i32, depth-1)
		g.op(0x04, 0x40)
		g.labels = append(g.labels, nil)
		for _, t := range g.labels[0] {
			g.expression(t, depth-1)
		}
		g.op(0x0f)
		g.close()
	case 12:
		g.op(0xfc, 9, 0) // data.drop
	}
}

func (g *generator) close() {
	g.labels = g.labels[:len(g.labels)-1]
	g.op(0x0b)
}

// inside generates the content of a block that was begun, and ends it.
func (g *generator) inside(results []byte, depth int) {
	g.labels = append(g.labels, results)
	g.statements(depth - 1)
	for _, t := range results {
		g.expression(t, depth-1)
	}
	g.close()
}

// loop generates a loop that ends when the steps do.
func (g *generator) loop(depth int) {
	g.op(0x02, 0x40, 0x03, 0x40)
	g.labels = append(g.labels, nil, nil)
	g.step()
	g.op(0x0d, 1)
	g.statements(depth - 1)
	g.expression(i32, depth-1)
	g.op(0x0d, 0)
	g.close()
	g.close()
}

// branch goes somewhere, perhaps.
func (g *generator) branch(depth int) {
	l := g.pick(len(g.labels))
	types := g.labels[len(g.labels)-1-l]
	for _, t := range types {
		g.expression(t, depth-1)
	}
	g.expression(i32, depth-1)
	g.index(0x0d, l)
	for range types {
		g.op(0x1a)
	}
}

// branchTable goes to one of the blocks around that take nothing.
func (g *generator) branchTable(depth int) {
	g.op(0x02, 0x40)
	g.labels = append(g.labels, nil)
	labels := []byte{0}
	for i := range g.labels {
		if l := len(g.labels) - 1 - i; len(g.labels[i]) == 0 && l < 128 {
			labels = append(labels, byte(l))
		}
	}
	n := 1 + g.pick(len(labels))
	g.expression(i32, depth-1)
	g.op(append([]byte{0x0e, byte(n - 1)}, labels[:n]...)...)
	g.statement(depth - 1) // never reached
	g.close()
}

func (g *generator) set(depth int) {
	if g.pick(3) == 2 {
		i := 1 + g.pick(4)
		g.expression(globals()[i], depth-1)
		g.index(0x24, i)
		return
	}
	i := g.pick(len(g.locals))
	g.expression(g.locals[i], depth-1)
	g.index(0x21, i)
}

func (g *generator) store(depth int) {
	g.expression(i32, depth-1)
	switch g.pick(4) {
	case 0:
		g.expression(i32, depth-1)
		g.op(0x36, 2, 4)
	case 1:
		g.expression(i64, depth-1)
		g.op(0x37, 0, 0)
	case 2:
		g.expression(f64, depth-1)
		g.op(0x39, 3, 8)
	case 3:
		g.expression(i32, depth-1)
		g.op(0x3a, 0, 1)
	}
}

// sized generates an instruction on as much memory or table as an operand says.
func (g *generator) sized(depth int) {
	k := g.pick(8)
	if k == 7 { // table.fill
		g.expression(i32, depth-1)
		g.op(0xd0, 0x70)
		g.expression(i32, depth-1)
		g.op(0xfc, 17, 0)
		return
	}
	if k == 6 { // table.grow
		g.op(0xd0, 0x70)
		g.expression(i32, depth-1)
		g.op(0xfc, 15, 0, 0x1a)
		return
	}
	for range 3 {
		g.expression(i32, depth-1)
	}
	switch k {
	case 0, 1:
		g.op(0xfc, 11, 0)
	case 2, 3:
		g.op(0xfc, 10, 0, 0)
	case 4:
		g.op(0xfc, 8, 0, 0)
	case 5:
		g.op(0xfc, 14, 0, 0)
	}
}

// expression pushes a value of a type.
func (g *generator) expression(t byte, depth int) {
	if depth <= 0 || g.budget < 0 {
		g.leaf(t)
		return
	}
	switch g.pick(10) {
	case 0, 1:
		g.leaf(t)
	case 2, 3:
		g.compute(t, depth)
	case 4:
		g.convert(t, depth)
	case 5:
		g.expression(i32, depth-1)
		g.op(map[byte]byte{i32: 0x28, i64: 0x29, f32: 0x2a, f64: 0x2b}[t], 0, byte(g.pick(100)))
	case 6:
		g.expression(i32, depth-1)
		g.op(0x04, t)
		g.labels = append(g.labels, []byte{t})
		g.expression(t, depth-1)
		g.op(0x05)
		g.expression(t, depth-1)
		g.close()
	case 7:
		g.op(0x02, t)
		g.inside([]byte{t}, depth-1)
	case 8:
		g.call(t, depth)
	case 9:
		g.expression(t, depth-1)
		g.expression(t, depth-1)
		g.expression(i32, depth-1)
		g.op(0x1b)
	}
}

func (g *generator) leaf(t byte) {
	switch g.pick(3) {
	case 0:
		g.constant(t)
	case 1:
		for i, l := range g.locals {
			if l == t {
				g.index(0x20, i)
				return
			}
		}
		g.constant(t)
	case 2:
		g.index(0x23, map[byte]int{i32: 1, i64: 2, f32: 3, f64: 4}[t])
	}
}

func (g *generator) compute(t byte, depth int) {
	span := map[byte][3]int{i32: {0x67, 3, 15}, i64: {0x79, 3, 15}, f32: {0x8b, 7, 7}, f64: {0x99, 7, 7}}[t]
	g.expression(t, depth-1)
	if g.pick(4) == 0 {
		g.op(byte(span[0] + g.pick(span[1])))
		return
	}
	g.expression(t, depth-1)
	g.op(byte(span[0] + span[1] + g.pick(span[2])))
}

// convert computes a value from one of another type.
func (g *generator) convert(t byte, depth int) {
	from := []byte{i32, i64, f32, f64}[g.pick(4)]
	g.expression(from, depth-1)
	if t == i32 && g.pick(2) == 1 {
		g.expression(from, depth-1)
		g.op(map[byte]byte{i32: 0x46, i64: 0x51, f32: 0x5b, f64: 0x61}[from] + byte(g.pick(6)))
		return
	}
	codes := map[[2]byte][]byte{
		{i32, i32}: {0x45}, {i64, i32}: {0xa7}, {f32, i32}: {0xa8}, {f64, i32}: {0xfc, 2},
		{i32, i64}: {0xac}, {i64, i64}: {0xc2}, {f32, i64}: {0xfc, 5}, {f64, i64}: {0xb0},
		{i32, f32}: {0xb2}, {i64, f32}: {0xb5}, {f32, f32}: {0x8e}, {f64, f32}: {0xb6},
		{i32, f64}: {0xb8}, {i64, f64}: {0xb9}, {f32, f64}: {0xbb}, {f64, f64}: {0x9c},
	}
	g.op(codes[[2]byte{from, t}]...)
}

// call calls a function that returns the type, directly or through the table;
// where there is none, memory answers for i32.
func (g *generator) call(t byte, depth int) {
	want := g.pick(len(g.funcs))
	s := signatures()[g.funcs[want]]
	if len(s.results) == 0 || s.results[0] != t {
		if t != i32 {
			g.leaf(t)
			return
		}
		if g.pick(2) == 0 {
			g.op(0x3f, 0)
			return
		}
		g.expression(i32, depth-1)
		g.op(0x40, 0)
		return
	}
	for _, p := range s.params {
		g.expression(p, depth-1)
	}
	if g.pick(2) == 0 {
		g.index(0x10, want)
	} else {
		g.expression(i32, depth-2)
		g.op(0x11, byte(g.funcs[want]), 0)
	}
	for range s.results[1:] {
		g.op(0x1a)
	}
}
