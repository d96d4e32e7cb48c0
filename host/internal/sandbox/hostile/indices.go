package hostile

import (
	"slices"

	w "idlehost/host/internal/sandbox/wasmtest"
)

// indices names things that do not exist: what metering appends to a module
// would make some of them valid.
func indices() []Attack {
	index := func(name, what string, wasm func() []byte) Attack {
		return attack(name, what, refused("index"), wasm)
	}
	refill := slices.Concat(w.Const64(1<<62), w.GlobalSet(0))
	return []Attack{
		// (global.set 0 (i64.const 2^62)) without a global: with one appended for
		// fuel, it is valid, and fills the tank.
		index("refill-by-invalid-global", "A loop writes the global that the meter will append.",
			guest(accept(forever(refill)))),
		index("refill-at-start", "A start function writes the global that the meter will append.", started(refill)),
		index("read-of-fuel", "A verdict is computed from the global that the meter will append.",
			guest(w.Hook("on_accept", w.GlobalGet(0)))),
		attack("refill-behind-own-globals", "The index is one past the module's own globals.", refused("index"),
			func() []byte {
				m := w.Guest(accept(w.Const64(1), w.GlobalSet(3)))
				m.Globals = []int64{1, 2, 3}
				return m.Bytes()
			}),
		index("local-of-the-meter", "A function uses the local that the meter will append, and changes a size behind its charge.",
			guest(accept(w.Const32(-1), op(0x21, 0)))),
		index("branch-too-far", "A branch leaves more blocks than there are.", guest(accept(op(0x0c, 9)))),
		index("call-of-nothing", "A call goes to function 2^32-1.", guest(accept(w.Call(most)))),
		index("call-without-table", "An indirect call goes through a table that does not exist.",
			guest(accept(w.Const32(0), op(0x11, 1, 0), w.Drop()))),
		attack("call-of-unknown-type", "An indirect call expects a type that does not exist.", refused("index"),
			tabled(4, nil, accept(w.Const32(0), op(0x11, 99, 0)))),
		index("block-of-unknown-type", "A block has type 2^31-1.",
			guest(accept(op(0x02, 0xff, 0xff, 0xff, 0xff, 0x07, endOp)))),
		index("function-of-unknown-type", "A function has a type that does not exist.",
			raw(section(secType, vec(op(0x60, 0, 0))), section(secFunction, vec(u(7))))),
		index("export-of-nothing", "A function is exported that does not exist.",
			raw(section(secExport, vec(slices.Concat(str("x"), op(0), u(7)))))),
		index("memory-without-one", "Code writes to a memory that the module does not have.",
			func() []byte {
				m := w.Guest(accept(w.Store32(0, w.Const32(1))))
				m.NoMemory = true
				return m.Bytes()
			}),
		index("element-for-no-table", "An element segment fills a table that does not exist.",
			spliced(w.Guest(), secElement, vec(op(0, 0x41, 0, endOp, 1, 0)))),
		index("data-for-second-memory", "A data segment is for memory 5.",
			spliced(w.Guest(), secData, vec(op(2, 5, 0x41, 0, endOp, 0)))),
		index("start-of-nothing", "The start function does not exist.", spliced(w.Guest(), secStart, u(1000))),
		attack("data-drop-without-count", "Code drops a data segment that no section announces.", refused("data count"),
			guest(accept(misc(9, 0)))),
		attack("reference-undeclared", "Code takes a reference to a function that no table or export holds.", refused("declared"),
			guest(accept(op(0xd2, 4, 0x1a)), procedure(""))),
	}
}

// started is a right policy with a start function besides.
func started(code ...[]byte) func() []byte {
	return spliced(w.Guest(procedure("", code...)), secStart, u(4))
}
