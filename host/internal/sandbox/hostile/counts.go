package hostile

import (
	"slices"

	w "idlehost/host/internal/sandbox/wasmtest"
)

// counts declares much in few bytes: a reader that allocates by a declared
// count is dead, and no recover helps it.
func counts() []Attack {
	bomb := func(name string, id byte, n uint64) Attack {
		return attack("count-"+name, "A section declares "+name+" by the hundred million and ends.",
			refused("truncated"), raw(section(id, u(n))))
	}
	return []Attack{
		bomb("imports", secImport, 200_000_000),
		bomb("types", secType, most),
		bomb("functions", secFunction, 1<<28),
		bomb("tables", secTable, most),
		bomb("memories", secMemory, most),
		bomb("globals", secGlobal, 200_000_000),
		bomb("exports", secExport, 200_000_000),
		bomb("elements", secElement, most),
		bomb("codes", secCode, 1<<27),
		bomb("data", secData, most),
		attack("types-5000", "There are 5000 types.", refused("types"),
			raw(section(secType, u(5000), slices.Repeat(op(0x60, 0, 0), 5000)))),
		attack("count-parameters", "A type declares 2^31 parameters.", refused("truncated"),
			raw(section(secType, u(1), op(0x60), u(1<<31)))),
		attack("count-results", "A type declares 2^31 results.", refused("truncated"),
			raw(section(secType, u(1), op(0x60, 0), u(1<<31)))),
		attack("count-element-entries", "An element segment declares 2^32-1 functions.", refused("truncated"),
			func() []byte { return splice(tabled(1, nil)(), secElement, u(1), op(0, 0x41, 0, endOp), u(most)) }),
		attack("count-data-bytes", "A data segment declares 2^32-1 bytes.", refused("truncated"),
			spliced(w.Guest(), secData, u(1), op(0, 0x41, 0, endOp), u(most))),
		attack("count-data-announced", "A data count section announces 2^32-1 segments, and none follows.", refused("count"),
			spliced(w.Guest(), secDataCount, u(most))),
		attack("count-select-types", "A select declares 2^32-1 types.", refused("truncated"),
			guest(accept(w.Const32(0), w.Const32(0), w.Const32(0), op(0x1c), u(most)))),
		attack("count-br-table-targets", "A br_table declares 2^32-1 targets.", refused("truncated"),
			guest(accept(w.Const32(0), op(0x0e), u(most)))),
		attack("locals-200-million", "A function of 29 bytes declares 200 million locals, which takes 5 GB to compile.", refused("locals"),
			withLocals(slices.Concat(u(1), u(200_000_000), op(w.I64)))),
		attack("locals-sum-overflows", "Groups of locals sum to 2^32 and wrap a counter of 32 bits.", refused("locals"),
			withLocals(slices.Concat(u(2), u(most), op(w.I64), u(1), op(w.I64)))),
		attack("locals-many-empty-groups", "Locals come in a million groups of none.", refused("body bytes"),
			func() []byte {
				return withLocals(slices.Concat(u(1_000_000), slices.Repeat(op(0, w.I64), 1_000_000)))()
			}),
		attack("module-larger-than-the-cap", "A right policy is followed by 5 MiB of custom section.", refused("module bytes"),
			func() []byte {
				return append(w.Guest().Bytes(), section(secCustom, str("pad"), make([]byte, 5<<20))...)
			}),
	}
}

// withLocals is a module of one function with encoded locals.
func withLocals(locals []byte) func() []byte {
	body := slices.Concat(locals, op(endOp))
	return raw(
		section(secType, vec(op(0x60, 0, 0))),
		section(secFunction, vec(u(0))),
		section(secCode, vec(str(body))),
	)
}
