package hostile

import (
	"slices"

	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
)

// shuffles do what costs much and looks cheap: an instruction that is never
// run makes the compiler move or load values where it could come by.
func shuffles() []Attack {
	const many = 1000
	fuel := atCall(policy.FaultFuel)
	arm := w.Code(w.LocalGet(0), w.If(rotated(1, many)))
	globals := func(calls ...[]byte) func() []byte {
		return func() []byte {
			m := endlessly(0, w.Code(w.Code(calls...), w.LocalGet(0), w.If(w.Code(used(many), used(many)))))
			m.Funcs = append(m.Funcs, procedure(""))
			m.Globals = make([]int64, many)
			return m.Bytes()
		}
	}
	return []Attack{
		attack("locals-rotated-in-an-arm", "An arm that is never taken rotates 1000 locals; each merge moves them.", fuel,
			func() []byte { return endlessly(many, arm).Bytes() }),
		attack("locals-rotated-in-many-arms", "Ten arms that rotate 100 locals follow one another in a loop.", fuel,
			func() []byte {
				return endlessly(100, slices.Repeat(w.Code(w.LocalGet(0), w.If(rotated(1, 100))), 10)).Bytes()
			}),
		attack("locals-rotated-at-the-back-edge", "A branch back that is never taken carries 500 locals that were rotated.", fuel,
			func() []byte {
				return endlessly(500, w.LocalGet(0), w.If(w.Code(rotated(1, 500), op(0x0c, 1)))).Bytes()
			}),
		attack("locals-rotated-before-a-table", "A br_table of which one label is taken ends blocks that rotate 500 locals.", fuel, func() []byte {
			return endlessly(500, op(0x02, voidType, 0x02, voidType), w.LocalGet(0), op(0x0e, 1, 1, 0, endOp),
				rotated(1, 500), op(endOp)).Bytes()
		}),
		attack("globals-reloaded-after-calls", "1000 globals are used in an arm that is never taken, after each call.", fuel, globals(w.Call(5))),
		attack("globals-reloaded-after-many-calls", "The same after twenty calls.", fuel, globals(slices.Repeat(w.Call(5), 20))),
	}
}

// rotated gives n locals, from one on, each the value of the next.
func rotated(from, n uint32) (code []byte) {
	for i := range n {
		code = append(code, w.LocalGet(from+(i+1)%n)...)
	}
	for i := range n {
		code = slices.Concat(code, op(0x21), u(uint64(from+n-1-i)))
	}
	return code
}

// used adds up n globals.
func used(n uint32) []byte {
	code := w.Const64(0)
	for i := range n {
		code = slices.Concat(code, w.GlobalGet(i), w.Add64())
	}
	return append(code, w.Drop()...)
}

// endlessly repeats code in function 4, of which local 0 is zero; every hook
// calls it.
func endlessly(locals uint32, code ...[]byte) w.Module {
	return w.Guest(accept(w.Call(4)), timeout(w.Call(4)), w.Func{Locals: locals + 12, Body: forever(code...)})
}

// distances make every access miss the caches.
func distances() []Attack {
	fuel := atCall(policy.FaultFuel)
	chase := func(name, what string, align, offset, step uint64, first int32) Attack {
		load := slices.Concat(op(0x28), u(align), u(offset))
		return attack(name, what, fuel, func() []byte {
			walk := forever(w.LocalGet(0), slices.Repeat(load, 500), op(0x21, 0))
			m := w.Guest(accept(w.Call(4)), timeout(w.Call(4)), w.Func{Locals: 12, Body: w.Code(w.Const32(first*int32(step)), op(0x21, 0), walk)})
			m.Pages = 128
			m.Funcs = append(m.Funcs, chain(step, offset))
			return m.Bytes()
		})
	}
	at := func(mask int32, shift int32) []byte {
		return w.Code(w.LocalGet(1), w.Const32(1103515245), op(0x6c), w.Const32(12345), op(0x6a, 0x22, 1),
			w.Const32(shift), op(0x76), w.Const32(mask), op(0x71))
	}
	far := func(name, what string, code ...[]byte) Attack {
		return attack(name, what, fuel, func() []byte {
			m := endlessly(0, slices.Repeat(w.Code(code...), 20))
			m.Pages = 128
			return m.Bytes()
		})
	}
	anywhere := at(8<<20-64, 4)
	return []Attack{
		chase("chain-of-loads", "Every load tells where in 8 MiB the next one is.", 2, 0, 64, 46782),
		chase("chain-of-split-loads", "The same, and each load crosses a cache line.", 0, 62, 128, 21998),
		far("loads-at-random", "Loads anywhere in 8 MiB.", anywhere, op(0x28, 2, 0), w.LocalGet(2), op(0x6a, 0x21, 2)),
		far("stores-at-random", "Stores anywhere in 8 MiB.", anywhere, w.LocalGet(1), op(0x36, 2, 0)),
		far("stores-across-pages", "Stores across the pages of the processor.", at(4<<20-4096, 4), w.LocalGet(1), op(0x36, 0), u(4094)),
		far("wide-loads-of-narrow-stores", "Loads of eight bytes of which one was just stored.",
			anywhere, op(0x22, 2), w.LocalGet(1), op(0x3a, 0, 3), w.LocalGet(2), op(0x29, 0, 0, 0xa7), w.LocalGet(3), op(0x6a, 0x21, 3)),
		far("copies-at-random", "Copies of one byte anywhere in 8 MiB.", anywhere, anywhere, w.Const32(1), misc(10, 0, 0)),
		attack("pages-touched-first", "A question stores to every page of the processor in 8 MiB of fresh memory.", harmless(), func() []byte {
			m := w.Guest(w.Func{Export: "on_accept", Results: []byte{w.I64}, Locals: 1,
				Body: w.Code(times(2047, 0, w.LocalGet(0), w.Const32(12), op(0x74), w.LocalGet(0), op(0x36, 2, 0)), w.Const64(w.Extend60s))})
			m.Pages = 128
			return m.Bytes()
		}),
	}
}

// chain is a start of the guest's that fills 8 MiB with a chain of addresses in
// an order that no processor foresees: each a linear congruence of the last. The
// host writes events over some: from the 46,782nd of those every 64 bytes on, and
// the 21,998th of those every 128, more than 20,000 loads meet none of them.
func chain(step, offset uint64) w.Func {
	lines := int32(8<<20/step) - 1
	next := w.Code(w.LocalGet(0), w.Const32(1664525), op(0x6c), w.Const32(1013904223), op(0x6a), w.Const32(lines), op(0x71))
	scale := w.Code(w.Const32(int32(step)), op(0x6c))
	return w.Func{Export: "_initialize", Locals: 1, Body: w.Code(op(0x03, voidType),
		w.LocalGet(0), scale, next, scale, op(0x36, 0), u(offset),
		w.LocalGet(0), w.Const32(1), op(0x6a, 0x22, 0), w.Const32(lines), op(0x49, 0x0d, 0, endOp))}
}
