package meter

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/wasmtest"
)

// special are numbers that a processor may take longer for, or whose sums,
// products and quotients it may: a result that is subnormal comes of normal
// operands too.
var special = []struct {
	name   string
	single float32
	double float64
}{
	{"the least subnormal", math.Float32frombits(1), math.Float64frombits(1)},
	{"the largest subnormal", math.Float32frombits(0x007fffff), math.Float64frombits(0x000fffffffffffff)},
	{"the least normal", math.Float32frombits(0x00800000), math.Float64frombits(0x0010000000000000)},
	{"a small normal", math.Float32frombits(0x00c00001), math.Float64frombits(0x0018000000000001)},
	{"a subnormal of f32", 1e-40, 1e-40},
	{"a small one of f32", 1.3e-38, 1.3e-38},
	{"a third", 1. / 3, 1. / 3},
	{"3", 3, 3},
	{"the most", math.MaxFloat32, math.MaxFloat64},
	{"infinity", float32(math.Inf(1)), math.Inf(1)},
	{"NaN", float32(math.NaN()), math.NaN()},
	{"a signalling NaN", math.Float32frombits(0x7fa00000), math.Float64frombits(0x7ff4000000000000)},
	{"0", 0, 0},
	{"-2.5", -2.5, -2.5},
}

// takeResult is an i32 local that is not zero, by which each result is selected,
// so that none is unused.
const takeResult = 10

// localsOf returns the locals of a type: of what was selected, and of operands.
func localsOf(kind byte) (sum, first, second int) {
	switch kind {
	case 'i':
		return 8, 9, 11
	case 'I':
		return 0, 1, 2
	case 'F':
		return 4, 5, 6
	}
	return 12, 13, 14
}

func loadOf(kind byte) byte {
	return map[byte]byte{'i': 0x28, 'I': 0x29, 'f': 0x2a, 'F': 0x2b}[kind]
}

// numericClasses have every instruction that computes, by the table of opcodes, so
// that none is forgotten: once with results that nothing waits for, and, where it
// can, with each result as the next operand.
func numericClasses() map[string]work {
	all := map[string]work{}
	for _, op := range gate.Ops() {
		operands, results, ok := op.Signature()
		if _, more := sized(op); !ok || more || op.Access() || operands == "" || results == "" {
			continue
		}
		code := encode(op)
		begin := slices.Concat(i32(1), setLocal(takeResult))
		var take []byte
		for i := range len(operands) {
			_, first, second := localsOf(operands[i])
			local := []int{first, second}[i]
			begin = slices.Concat(begin, i32(0), []byte{loadOf(operands[i]), 0, byte(8 * i)}, setLocal(local))
			take = append(take, get(local)...)
		}
		sum, first, _ := localsOf(results[0])
		w := work{pages: 1, singles: 3, cases: operandCases(operands)}
		w.body = slices.Concat(begin, endless(bytes.Repeat(slices.Concat(take, code, get(sum), get(takeResult), []byte{0x1b}, setLocal(sum)), 100)))
		all[op.String()] = w
		if operands[0] == results[0] {
			w.body = slices.Concat(begin, endless(bytes.Repeat(slices.Concat(take, code, setLocal(first)), 100)))
			all[op.String()+" in a chain"] = w
		}
	}
	return all
}

func i32(v int32) []byte { return wasmtest.Const32(v) }

func encode(op gate.Op) []byte {
	if op < 256 {
		return []byte{byte(op)}
	}
	return append([]byte{byte(op >> 8)}, uleb(int(op&0xff))...)
}

// operandCases are the fillings of memory by operands.
func operandCases(operands string) map[string]func([]byte) {
	cases, float := map[string]func([]byte){}, strings.ContainsAny(operands, "fF")
	for i, a := range special {
		for j, b := range special {
			if len(operands) == 1 && j > 0 || len(operands) == 2 && !pairs(i, j) || !float && i != j {
				continue
			}
			name := " of " + a.name
			if len(operands) == 2 {
				name += " and " + b.name
			}
			cases[name] = func(mem []byte) {
				put(mem, operands[0], a.single, a.double)
				put(mem[8:], operands[len(operands)-1], b.single, b.double)
			}
		}
	}
	return cases
}

// pairs chooses pairs of special numbers: of every one with itself, with a third,
// 3 and -2.5, and of the small ones with one another.
func pairs(i, j int) bool {
	ordinary := func(i int) bool { return slices.Contains([]string{"a third", "3", "-2.5"}, special[i].name) }
	return i == j || ordinary(i) || ordinary(j) || max(i, j) < 4
}

// put writes a number as the type asks for; an integer has the bits of f64.
func put(mem []byte, kind byte, single float32, double float64) {
	if kind == 'f' {
		binary.LittleEndian.PutUint32(mem, math.Float32bits(single))
	} else {
		binary.LittleEndian.PutUint64(mem, math.Float64bits(double))
	}
}
