package gate

import "strings"

// exportEntry is what an exported name refers to.
type exportEntry struct {
	kind  byte
	index uint32
	at    int
}

func (r *reader) exports(m *Module, limits Limits) {
	at := r.pos
	n := r.count("exports")
	if !r.cap(at, RuleExports, "has %d exports", uint64(n), limits.Exports) {
		return
	}
	for range n {
		at := r.pos
		name := r.name()
		e := exportEntry{at: at, kind: r.byte(), index: r.u32()}
		if !r.ok() {
			return
		}
		r.export(m, name, e)
	}
}

func (r *reader) export(m *Module, name string, e exportEntry) {
	if e.kind > kindGlobal {
		r.refuse(e.at, RuleEncoding, "export of kind %#x does not exist", e.kind)
		return
	}
	have := [...]int{len(m.funcs), len(m.tables), len(m.memories), len(m.globals)}[e.kind]
	if uint64(e.index) >= uint64(have) {
		r.refuse(e.at, RuleIndex, "exports %s %d, the module has %d", kindName(e.kind), e.index, have)
		return
	}
	if _, twice := m.exports[name]; twice {
		r.refuse(e.at, RuleDuplicate, "exports %q twice", clip(name))
	}
	if strings.HasPrefix(name, Reserved) {
		r.refuse(e.at, RuleReserved, "exports %q: names that begin with %q are the host's own", clip(name), Reserved)
	}
	if e.kind == kindFunc {
		m.reference(e.index)
	}
	m.exports[name] = e
}

// checkExports compares the exports with the contract.
func (r *reader) checkExports(m *Module, contract *Contract) {
	for _, want := range contract.Exports {
		e, have := m.exports[want.Name]
		_, partner := m.exports[want.With]
		switch {
		case want.Presence == Required && !have:
			r.refuse(r.pos, RuleExport, "exports no function %q of type %v%s", want.Name, want.Type, hint(want.Hint))
		case !have:
		case want.Presence == Forbidden:
			r.refuse(e.at, RuleExport, "exports %q%s", want.Name, hint(want.Hint))
		case e.kind != kindFunc:
			r.refuse(e.at, RuleExport, "exports %s %q, should be a function", kindName(e.kind), want.Name)
		case !m.TypeOf(int(e.index)).equal(want.Type):
			r.refuse(e.at, RuleExport, "exports %q as %v, should be %v", want.Name, m.TypeOf(int(e.index)), want.Type)
		case want.With != "" && !partner:
			r.refuse(e.at, RuleExport, "exports %q without %q", want.Name, want.With)
		}
	}
	if e, have := m.exports[contract.Memory]; contract.Memory != "" && (!have || e.kind != kindMemory) {
		r.refuse(r.pos, RuleExport, "exports no memory %q", contract.Memory)
	}
}

func hint(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}
