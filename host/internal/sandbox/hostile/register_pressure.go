package hostile

import (
	"bytes"
	"slices"

	w "idlehost/host/internal/sandbox/wasmtest"
)

// registerPressure keeps to the simple limits, and makes a compiler's registers,
// stack slots and tables as expensive as it can. The gate decides whether that is
// too expensive.
func registerPressure() []Attack {
	row := func(name, what string, n int, one ...byte) Attack {
		return attack(name+"-in-a-row", what, bounded(), func() []byte { return plainGuest(bytes.Repeat(one, n)) })
	}
	return []Attack{
		row("loads", "60,000 loads each check their bounds.", 60_000, 0x41, 0, 0x28, 2, 0, 0x1a),
		row("growths", "5000 growths of memory each call the host.", 5000, 0x41, 0, 0x40, 0, 0x1a),
		row("calls", "20,000 calls.", 20_000, 0x10, 2, 0x1a),
		row("blocks", "100,000 blocks of nothing follow one another.", 100_000, 0x02, voidType, endOp),
		attack("indirect-calls-in-a-row", "10,000 indirect calls each check their type.", bounded(),
			tabled(1, nil, procedure("", bytes.Repeat(op(0x41, 0, 0x11, 1, 0, 0x1a), 10_000)))),
		attack("divisions-in-a-row", "60,000 divisions contend for the same two registers.", bounded(),
			func() []byte {
				return plainGuest(slices.Concat(w.Const64(9), bytes.Repeat(op(0x42, 3, 0x7f), 60_000), w.Drop()))
			}),
		attack("float-constants", "40,000 constants of floats have different values.", bounded(), func() []byte {
			var code []byte
			for i := range 40_000 {
				code = append(code, 0x44, byte(i), byte(i>>8), 0, 0, 0, 0, 1, 2, 0x1a)
			}
			return plainGuest(code)
		}),
		attack("blocks-of-128-parameters", "1000 nested blocks pass 128 operands on.", bounded(),
			func() []byte { return passing(0x02, 1000) }),
		attack("loops-of-128-parameters", "300 nested loops pass 128 operands on.", bounded(),
			func() []byte { return passing(0x03, 300) }),
		attack("results-of-many-calls", "2000 calls return 16 results each, all of them live.", bounded(), func() []byte {
			many := w.Func{Results: bytes.Repeat([]byte{w.I64}, 16), Body: bytes.Repeat(w.Const64(1), 16)}
			return w.Guest(many, procedure("", bytes.Repeat(w.Call(4), 2000), bytes.Repeat(op(0x7c), 31_999), w.Drop())).Bytes()
		}),
		attack("locals-live-to-the-end", "1000 locals are written in turn, ten times, and read in the end.", bounded(), func() []byte {
			var code []byte
			for i := range 40_000 {
				code = append(code, slices.Concat(w.LocalGet(uint32((i*7919)%1000)), op(0x41, 1, 0x6a, 0x21), u(uint64(i%1000)))...)
			}
			code = append(code, w.Const32(0)...)
			for i := range uint32(1000) {
				code = append(append(code, w.LocalGet(i)...), 0x6a)
			}
			return w.Guest(w.Func{Locals: 1000, Body: append(code, 0x1a)}).Bytes()
		}),
		attack("values-live-over-calls", "1000 locals are live over 2000 calls.", bounded(), func() []byte {
			var code []byte
			for i := range uint32(1000) {
				code = append(code, slices.Concat(w.LocalGet(i), op(0x41, 1, 0x6a, 0x21), u(uint64(i)))...)
			}
			code = append(code, bytes.Repeat(op(0x10, 2, 0x1a), 2000)...)
			code = append(code, w.Const32(0)...)
			for i := range uint32(1000) {
				code = append(append(code, w.LocalGet(i)...), 0x6a)
			}
			return w.Guest(w.Func{Locals: 1000, Body: append(code, 0x1a)}).Bytes()
		}),
	}
}

// passing nests n blocks of type (i64 * 128) -> (i64 * 16), the function's own.
func passing(open byte, n int) []byte {
	var all []byte
	for i := range uint32(128) {
		all = append(all, w.LocalGet(i)...)
	}
	return w.Guest(w.Func{
		Params: bytes.Repeat([]byte{w.I64}, 128), Results: bytes.Repeat([]byte{w.I64}, 16),
		Body: slices.Concat(all, bytes.Repeat(op(open, 2), n), bytes.Repeat(w.Drop(), 112), bytes.Repeat(op(endOp), n)),
	}).Bytes()
}
