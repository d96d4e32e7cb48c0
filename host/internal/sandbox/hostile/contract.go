package hostile

import (
	"fmt"
	"slices"

	w "idlehost/host/internal/sandbox/wasmtest"
)

const wasi = "wasi_snapshot_preview1"

// imports asks for what no policy is given.
func imports() []Attack {
	function := func(name, what, module, field string, params, results []byte) Attack {
		return attack("import-"+name, what, refused("import"), func() []byte {
			m := w.Guest()
			m.Imports = []w.Import{{Module: module, Name: field, Params: params, Results: results}}
			return m.Bytes()
		})
	}
	other := func(name, what string, desc ...byte) Attack {
		return attack("import-"+name, what, refused("import"),
			spliced(w.Guest(), secImport, vec(slices.Concat(str("idlehost"), str("log"), desc))))
	}
	i32 := func(n int) []byte { return slices.Repeat([]byte{w.I32}, n) }
	return []Attack{
		function("system", "A function of the operating system is imported.", "env", "system", i32(1), i32(1)),
		function("path-open", "The WASI function that opens files is imported.", wasi, "path_open",
			slices.Concat(i32(5), []byte{w.I64, w.I64}, i32(2)), i32(1)),
		function("sock-send", "The WASI function that sends on sockets is imported.", wasi, "sock_send", i32(5), i32(1)),
		function("other-policy", "A function of another tenant's policy is imported.", "guest", "on_accept", nil, []byte{w.I64}),
		function("log-of-wrong-type", "log is imported with a parameter more, to read past the host's stack.", "idlehost", "log", i32(4), nil),
		function("log-with-results", "log is imported with results that the host does not write.", "idlehost", "log", i32(3), []byte{w.I64, w.I64}),
		function("proc-exit-returns", "proc_exit is imported with a result.", wasi, "proc_exit", i32(1), i32(1)),
		function("empty-names", "A function without a name is imported from a module without one.", "", "", nil, nil),
		function("newline-in-name", "A function with line feeds and colours in its name is imported.",
			"env", "x\n\x1b[31mlevel=ERROR msg=\"forged\"", nil, nil),
		other("memory", "The memory is imported, to share the host's.", 2, 0, 1),
		other("table", "A table is imported.", 1, funcRef, 0, 1),
		other("global", "A global that can be written is imported.", 3, w.I64, 1),
		attack("import-300", "There are 300 imports, each allowed.", refused("imports"), func() []byte {
			m := w.Guest()
			m.Imports = slices.Repeat([]w.Import{{Module: wasi, Name: "sched_yield", Results: []byte{w.I32}}}, 300)
			return m.Bytes()
		}),
	}
}

// exports lacks, doubles or disguises what the host calls.
func exports() []Attack {
	built := func(name, what, rule string, m w.Module) Attack {
		return attack("export-"+name, what, refused(rule), m.Bytes)
	}
	// entries is a policy with an export section of its own making.
	entries := func(name, what, rule string, entry ...[]byte) Attack {
		return attack("export-"+name, what, refused(rule), spliced(w.Guest(), secExport, vec(entry...)))
	}
	entry := func(name string, kind byte, index uint64) []byte { return slices.Concat(str(name), op(kind), u(index)) }
	all := func(but string, more ...[]byte) (list [][]byte) {
		for i, name := range []string{"abi_version", "event_buffer", "on_accept", "on_timeout"} {
			if name != but {
				list = append(list, entry(name, 0, uint64(i)))
			}
		}
		return slices.Concat(list, [][]byte{entry("memory", 2, 0)}, more)
	}
	hidden := w.Guest()
	hidden.MemoryName = ""
	list := []Attack{
		built("no-memory", "The memory is not exported.", "export", hidden),
		built("no-timeout", "A required hook is missing.", "export", w.Guest().Without("on_timeout")),
		built("start", "A command that runs and ends is uploaded.", "export", w.Guest(procedure("_start"))),
		built("hook-of-wrong-type", "on_accept takes a parameter that the host does not give.", "export",
			w.Guest(w.Func{Export: "on_accept", Params: []byte{w.I32}, Results: []byte{w.I64}, Body: w.Const64(0)})),
		built("buffer-of-two-results", "event_buffer returns two numbers.", "export",
			w.Guest(w.Func{Export: "event_buffer", Results: []byte{w.I64, w.I64}, Body: w.Code(w.Const64(0), w.Const64(0))})),
		built("configure-alone", "configure comes without configure_buffer.", "export",
			w.Guest(w.Func{Export: "configure", Params: []byte{w.I32}, Results: []byte{w.I32}, Body: w.Const32(0)})),
		built("reserved-name", "A function has the name of the meter's global.", "reserved", w.Guest(procedure("idlehost:fuel"))),
		entries("memory-as-hook", "The memory is exported as on_accept.", "export", all("on_accept", entry("on_accept", 2, 0))...),
		entries("function-as-memory", "A function is exported as the memory.", "export",
			entry("abi_version", 0, 0), entry("event_buffer", 0, 1), entry("on_accept", 0, 2), entry("on_timeout", 0, 3), entry("memory", 0, 0)),
		entries("twice", "on_accept is exported twice, once right and once wrong.", "duplicate", all("", entry("on_accept", 0, 0))...),
		entries("unknown-kind", "An export is of a kind that does not exist.", "encoding", all("", entry("x", 9, 0))...),
		attack("export-fuel-global", "The module exports a global of its own under the name of the meter's.", refused("reserved"), func() []byte {
			m := w.Guest()
			m.Globals = []int64{1 << 62}
			return splice(m.Bytes(), secExport, vec(all("", entry("idlehost:fuel", 3, 0))...))
		}),
	}
	many := all("")
	for i := range 1100 {
		many = append(many, entry(fmt.Sprint("e", i), 0, 0))
	}
	return append(list, entries("1100", "One function is exported under 1100 names.", "exports", many...))
}
