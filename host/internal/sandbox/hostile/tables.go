package hostile

import (
	"bytes"
	"slices"

	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
)

// oneTable encodes the content of a table section.
func oneTable(n uint64) []byte { return w.Code(op(1, funcRef, 0), u(n)) }

// tabled is a policy with a table of n entries, the first of which are given.
func tabled(n uint64, entries []uint64, funcs ...w.Func) func() []byte {
	return func() []byte { return filled(w.Guest(funcs...), n, entries) }
}

// filled gives a module such a table.
func filled(m w.Module, n uint64, entries []uint64) []byte {
	b := splice(m.Bytes(), secTable, oneTable(n))
	if len(entries) == 0 {
		return b
	}
	var list []byte
	for _, e := range entries {
		list = append(list, u(e)...)
	}
	return splice(b, secElement, u(1), op(0, 0x41, 0, endOp), u(uint64(len(entries))), list)
}

// Types of a policy without imports: 0 () -> i32, 1 () -> i64, 2 () -> ().
func indirect(typ byte, entry int32) []byte { return w.Code(w.Const32(entry), op(0x11, typ, 0)) }

func tables() []Attack {
	fuel, trap := atCall(policy.FaultFuel), atCall(policy.FaultTrap)
	null := op(0xd0, funcRef)
	return []Attack{
		attack("table-of-2-to-the-27", "A table of 2^27 entries takes a gigabyte of the host's own memory.", refused("table entries"), tabled(1<<27, nil)),
		attack("tables-1000", "There are 1000 tables.", refused("tables"),
			spliced(w.Guest(), secTable, u(1000), bytes.Repeat(op(funcRef, 0, 1), 1000))),
		attack("table-at-the-cap", "A table has as many entries as the gate allows.", harmless(), tabled(16_384, nil)),
		attack("table-grow-storm", "A loop grows the table for ever, outside the memory limit.", fuel,
			tabled(1, nil, accept(forever(null, w.Const32(1000), misc(15, 0), w.Drop())))),
		attack("table-grow-by-everything", "A table grows by 2^32-1 entries.", Want{Outcome: AtCall},
			tabled(1, nil, accept(null, w.Const32(-1), misc(15, 0), op(0x41, 0x7f, 0x46), w.If(w.Unreachable())))),
		attack("table-grow-by-nothing-storm", "A loop grows the table by nothing for ever.", fuel,
			tabled(1, nil, accept(forever(null, w.Const32(0), misc(15, 0), w.Drop())))),
		attack("table-grow-a-little-each-call", "Every question grows the table by a hundred entries.", harmless(),
			tabled(1, nil, accept(null, w.Const32(100), misc(15, 0), w.Drop()))),
		attack("table-fill-storm", "A loop fills the table for ever.", fuel,
			tabled(16_000, nil, accept(forever(w.Const32(0), null, w.Const32(16_000), misc(17, 0))))),
		attack("table-copy-storm", "A loop moves the table by an entry for ever.", fuel,
			tabled(16_000, nil, accept(forever(w.Const32(1), w.Const32(0), w.Const32(15_999), misc(14, 0, 0))))),
		attack("table-of-self", "Every entry of the table is the hook that calls through it.", fuel,
			tabled(1000, slices.Repeat([]uint64{2}, 1000), accept(indirect(1, 999), w.Drop()))),
		attack("table-ping-pong", "Two functions call each other through the table.", fuel,
			tabled(2, []uint64{2, 3}, accept(indirect(1, 1), w.Drop()), timeout(indirect(1, 0), w.Drop()))),
		attack("table-changes-itself", "A function puts itself into the table in the place of what it calls.", fuel,
			// (table.set 0 (i32.const 0) (ref.func 2)) (call_indirect 0)
			tabled(1, []uint64{3}, accept(w.Const32(0), op(0xd2, 2, 0x26, 0), indirect(1, 0), w.Drop()))),
		attack("table-wrong-type", "An indirect call expects another type than the function has.", trap,
			tabled(1, []uint64{0}, accept(indirect(1, 0), w.Drop()))),
		attack("table-null", "An indirect call goes to an empty entry.", trap, tabled(1, nil, accept(indirect(1, 0), w.Drop()))),
		attack("table-outside", "An indirect call goes to entry 2^32-1.", trap,
			tabled(1, []uint64{2}, accept(indirect(1, -1), w.Drop()))),
		attack("table-get-outside", "An entry past the table's end is read.", trap, tabled(1, nil, accept(w.Const32(1), op(0x25, 0, 0x1a)))),
		attack("table-fill-outside", "A fill reaches over the table's end.", trap,
			tabled(4, nil, accept(w.Const32(1), null, w.Const32(4), misc(17, 0)))),
		attack("element-outside", "An element segment reaches over the table's end; wazero leaves the table empty.", harmless(), tabled(1, []uint64{2, 2})),
		attack("element-dropped", "An element segment is copied after it was dropped.", trap,
			tabled(1, []uint64{2}, accept(misc(13, 0), w.Const32(0), w.Const32(0), w.Const32(1), misc(12, 0, 0)))),
		attack("element-of-unknown-form", "An element segment is of form 2^32-1.", refused("encoding"),
			func() []byte { return splice(tabled(1, nil)(), secElement, u(1), u(most)) }),
		attack("elements-2000", "There are 2000 element segments.", refused("element segments"),
			func() []byte {
				return splice(tabled(1, nil)(), secElement, u(2000), bytes.Repeat(op(0, 0x41, 0, endOp, 1, 2), 2000))
			}),
		attack("table-bounds-reversed", "A table has at least 2 entries and at most 1.", refused("range"),
			spliced(w.Guest(), secTable, vec(op(funcRef, 1, 2, 1)))),
	}
}

// scattered calls and reads what the processor cannot foresee.
func scattered() []Attack {
	const n = 8192
	fuel := atCall(policy.FaultFuel)
	at := w.Code(w.LocalGet(0), w.Const32(1103515245), op(0x6c), w.Const32(12345), op(0x6a, 0x22, 0), w.Const32(12), op(0x76), w.Const32(n-1), op(0x71))
	with := func(code ...[]byte) func() []byte {
		return func() []byte {
			m := endlessly(0, code...)
			m.Globals = []int64{0}
			var entries []uint64
			for i := range uint64(n) {
				m.Funcs = append(m.Funcs, procedure("", w.Const64(int64(i)), w.GlobalSet(0)))
				entries = append(entries, 5+i)
			}
			return filled(m, n, entries)
		}
	}
	var calls []byte
	for i := range uint32(n) {
		calls = append(calls, w.Call(5+i*3967%n)...)
	}
	return []Attack{
		attack("indirect-calls-at-random", "Indirect calls go to any of 8192 functions.", fuel, with(at, op(0x11, 2, 0))),
		attack("host-called-through-the-table", "A loop calls a function of the host's through the table.", fuel, func() []byte {
			m := w.Guest(accept(forever(slices.Repeat(w.Code(indirect(0, 0), w.Drop()), 50))))
			m.Imports = []w.Import{{Module: wasi, Name: "sched_yield", Results: []byte{w.I32}}}
			return filled(m, 1, []uint64{0})
		}),
		attack("entries-read-at-random", "Entries of a table are read in no order.", fuel, with(at, op(0x25, 0, 0xd1), w.LocalGet(1), op(0x6a, 0x21, 1))),
		attack("calls-of-8192-functions", "A loop calls 8192 functions in no order.", fuel, with(calls)),
	}
}
