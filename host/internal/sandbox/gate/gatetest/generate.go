package gatetest

import (
	"bytes"
	"encoding/binary"
	"slices"

	"idlehost/host/internal/sandbox/wasmtest"
)

// Generate returns a valid module that the bytes of seed choose: functions
// "f0" and so on that compute, branch, loop, call each other, trap, and work
// on memory and table. "reset" refills a budget of steps that ends every loop
// and every recursion, so that the module also ends where nobody counts.
func Generate(seed []byte) Generated {
	g := generator{seed: seed}
	n := 1 + g.pick(4)
	for range n {
		g.funcs = append(g.funcs, g.pick(len(signatures())))
	}
	return g.module()
}

// Generated is a generated module.
type Generated struct {
	Wasm  []byte
	Funcs []Function
}

// Function is an exported function of a generated module.
type Function struct {
	Name   string
	Params []byte // value types
}

const (
	i32 = wasmtest.I32
	i64 = wasmtest.I64
	f32 = 0x7d
	f64 = wasmtest.F64
)

type signature struct{ params, results []byte }

func signatures() []signature {
	return []signature{
		{}, {[]byte{i32}, []byte{i32}}, {[]byte{i64, i32}, []byte{i64}}, {[]byte{f64}, []byte{f64}},
		{[]byte{i32, f32}, []byte{i32, i64}}, {nil, []byte{i64}}, {[]byte{i32, i32, i32}, []byte{f32}},
	}
}

// The module's globals: steps left, and one of each type.
const globalSteps = 0

func globals() []byte { return []byte{i32, i32, i64, f32, f64} }

// extra are the locals of every function, behind its parameters.
func extra() []byte { return []byte{i32, i32, i64, f32, f64} }

type generator struct {
	seed   []byte
	funcs  []int // signatures
	locals []byte
	labels [][]byte // operands that a branch takes, innermost last
	out    bytes.Buffer
	budget int // of instructions, so that a body stays small
}

// pick returns a number below n; 0, which stands for the simplest choice,
// when the seed is used up.
func (g *generator) pick(n int) int {
	if len(g.seed) == 0 {
		return 0
	}
	v := int(g.seed[0])
	g.seed = g.seed[1:]
	return v % n
}

func (g *generator) op(code ...byte) { g.out.Write(code); g.budget-- }

func (g *generator) index(op byte, i int) {
	g.out.Write(binary.AppendUvarint([]byte{op}, uint64(i)))
	g.budget--
}

func (g *generator) constant(t byte) {
	g.budget--
	switch t {
	case i32:
		g.out.Write(wasmtest.Const32(int32(g.interesting())))
	case i64:
		g.out.Write(wasmtest.Const64(g.interesting()))
	case f32:
		g.out.Write(binary.LittleEndian.AppendUint32([]byte{0x43}, uint32(g.pick(256))<<23))
	case f64:
		g.out.Write(binary.LittleEndian.AppendUint64([]byte{0x44}, uint64(g.pick(256))<<52))
	}
}

func (g *generator) interesting() int64 {
	return []int64{0, 1, -1, 7, 64, 65535, 1 << 31, -1 << 31, 1<<31 - 1, 1 << 62, 100, 8, 3}[g.pick(13)]
}

func (g *generator) module() Generated {
	var types, funcs, exports, code, entries []byte
	for _, s := range signatures() {
		types = slices.Concat(types, []byte{0x60}, vector(s.params), vector(s.results))
	}
	out := Generated{}
	for i, s := range g.funcs {
		name := "f" + string(rune('0'+i))
		funcs = append(funcs, byte(s))
		exports = slices.Concat(exports, vector([]byte(name)), []byte{0, byte(i)})
		entries = append(entries, byte(i))
		code = append(code, vector(g.body(signatures()[s]))...)
		out.Funcs = append(out.Funcs, Function{name, signatures()[s].params})
	}
	n := byte(len(g.funcs))
	funcs = append(funcs, 0) // reset
	exports = slices.Concat(exports, vector([]byte("reset")), []byte{0, n}, vector([]byte("memory")), []byte{2, 0})
	code = append(code, vector(wasmtest.Code([]byte{0}, wasmtest.Const32(300), wasmtest.GlobalSet(globalSteps), []byte{0x0b}))...)
	var vars []byte
	for _, t := range globals() {
		zero := map[byte][]byte{i32: {0x41, 0}, i64: {0x42, 0}, f32: {0x43, 0, 0, 0, 0}, f64: {0x44, 0, 0, 0, 0, 0, 0, 0, 0}}[t]
		vars = slices.Concat(vars, []byte{t, 1}, zero, []byte{0x0b})
	}
	elements := slices.Concat([]byte{1, 0, 0x41, 1, 0x0b, n}, entries)
	out.Wasm = slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		part(1, len(signatures()), types), part(3, int(n)+1, funcs), part(4, 1, []byte{0x70, 1, 10, 20}),
		part(5, 1, []byte{1, 1, 3}), part(6, len(globals()), vars), part(7, int(n)+2, exports),
		section(9, elements), section(12, []byte{1}), part(10, int(n)+1, code),
		part(11, 1, slices.Concat([]byte{1}, vector([]byte("some data to copy from")))))
	return out
}

func part(id byte, n int, content []byte) []byte {
	return section(id, slices.Concat(binary.AppendUvarint(nil, uint64(n)), content))
}

func section(id byte, content []byte) []byte { return append([]byte{id}, vector(content)...) }

func vector(b []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}
