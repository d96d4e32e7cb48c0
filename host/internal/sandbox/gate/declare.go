package gate

func (r *reader) types(m *Module, limits Limits) {
	at := r.pos
	n := r.count("types")
	if !r.cap(at, RuleTypes, "declares %d types", uint64(n), limits.Types) {
		return
	}
	m.types = make([]FuncType, 0, n)
	for range n {
		at := r.pos
		if form := r.byte(); form != 0x60 && r.ok() {
			r.refuse(at, RuleFeature, "type %d has form %#x: only functions have types", len(m.types), form)
		}
		params := r.vector("parameters", RuleParams, limits.Params)
		results := r.vector("results", RuleResults, limits.Results)
		if !r.ok() {
			return
		}
		m.types = append(m.types, FuncType{params, results})
	}
}

func (r *reader) vector(what string, rule Rule, limit int) []ValType {
	at := r.pos
	n := r.count(what)
	if n == 0 || !r.cap(at, rule, "type has %d "+what, uint64(n), limit) {
		return nil
	}
	types := make([]ValType, n)
	for i := range types {
		types[i] = r.valType()
	}
	return types
}

func (r *reader) functions(m *Module, limits Limits) {
	at := r.pos
	n := r.count("functions")
	if !r.cap(at, RuleFunctions, "has %d functions", uint64(n)+uint64(len(m.funcs)), limits.Functions) {
		return
	}
	for range n {
		m.funcs = append(m.funcs, r.typeIndex(m))
	}
}

func (r *reader) typeIndex(m *Module) uint32 {
	at := r.pos
	i := r.u32()
	if uint64(i) >= uint64(len(m.types)) && r.ok() {
		r.refuse(at, RuleIndex, "type %d does not exist, the module has %d", i, len(m.types))
	}
	return i
}

func (r *reader) tables(m *Module, limits Limits) {
	for range r.count("tables") {
		r.table(m, limits)
		if !r.ok() {
			return
		}
	}
}

func (r *reader) table(m *Module, limits Limits) {
	at := r.pos
	t := TableType{Type: r.refType()}
	t.Bounds = r.bounds()
	m.tables = append(m.tables, t)
	r.cap(at, RuleTables, "has %d tables", uint64(len(m.tables)), limits.Tables)
	r.cap(at, RuleTableEntries, "table has %d entries", uint64(t.Min), limits.TableEntries)
}

func (r *reader) memories(m *Module, limits Limits) {
	for range r.count("memories") {
		r.memory(m, limits)
		if !r.ok() {
			return
		}
	}
}

// maxPages is what a memory addressed by 32 bits can have.
const maxPages = 1 << 16

func (r *reader) memory(m *Module, limits Limits) {
	at := r.pos
	b := r.bounds()
	m.memories = append(m.memories, b)
	r.cap(at, RuleMemories, "has %d memories", uint64(len(m.memories)), 1)
	r.cap(at, RuleMemoryPages, "memory begins with %d pages of 64 KiB", uint64(b.Min), min(limits.MemoryPages, maxPages))
	if b.HasMax && b.Max > maxPages {
		r.refuse(at, RuleRange, "memory may have %d pages of 64 KiB, at most %d can be addressed", b.Max, maxPages)
	}
}

// bounds reads a minimum and perhaps a maximum.
func (r *reader) bounds() (b Bounds) {
	at := r.pos
	switch form := r.byte(); {
	case form == 1:
		b.HasMax = true
	case form == 2 || form == 3:
		r.refuse(at, RuleFeature, "is shared: a policy has one thread")
	case form >= 4 && form <= 7:
		r.refuse(at, RuleFeature, "is addressed by 64 bits: policies are compiled for wasm32")
	case form != 0:
		r.refuse(at, RuleEncoding, "bounds of form %#x do not exist", form)
	}
	b.Min = r.u32()
	if b.HasMax {
		b.Max = r.u32()
		if b.Max < b.Min && r.ok() {
			r.refuse(at, RuleRange, "minimum %d is more than maximum %d", b.Min, b.Max)
		}
	}
	return b
}

func (r *reader) globals(m *Module, limits Limits) {
	at := r.pos
	n := r.count("globals")
	if !r.cap(at, RuleGlobals, "has %d globals", uint64(n)+uint64(len(m.globals)), limits.Globals) {
		return
	}
	for range n {
		g := r.globalType()
		r.constant(m, g.Type)
		if !r.ok() {
			return
		}
		m.globals = append(m.globals, g)
	}
}

func (r *reader) globalType() (g GlobalType) {
	g.Type = r.valType()
	at := r.pos
	b := r.byte()
	if b > 1 {
		r.refuse(at, RuleEncoding, "mutability %#x does not exist", b)
	}
	g.Mutable = b == 1
	return g
}

func (r *reader) start(m *Module) {
	at := r.pos
	i := r.u32()
	if !r.ok() || !r.funcIndex(m, at, i) {
		return
	}
	if t := m.TypeOf(int(i)); len(t.Params)+len(t.Results) > 0 {
		r.refuse(at, RuleType, "start function is %v, should be () -> ()", t)
	}
}

// funcIndex checks an index that was read at an offset.
func (r *reader) funcIndex(m *Module, at int, i uint32) bool {
	if uint64(i) >= uint64(len(m.funcs)) {
		r.refuse(at, RuleIndex, "function %d does not exist, the module has %d", i, len(m.funcs))
		return false
	}
	return true
}
