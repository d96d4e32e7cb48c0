package gate

// Kinds of imports and exports.
const (
	kindFunc   = 0
	kindTable  = 1
	kindMemory = 2
	kindGlobal = 3
)

func kindName(kind byte) string {
	return [...]string{"function", "table", "memory", "global"}[kind&3]
}

func (r *reader) imports(m *Module, limits Limits, contract *Contract) {
	at := r.pos
	n := r.count("imports")
	if !r.cap(at, RuleImports, "has %d imports", uint64(n), limits.Imports) {
		return
	}
	for range n {
		r.importEntry(m, limits, contract)
		if !r.ok() {
			return
		}
	}
}

func (r *reader) importEntry(m *Module, limits Limits, contract *Contract) {
	at := r.pos
	module, name := r.name(), r.name()
	kindAt := r.pos
	kind := r.byte()
	switch {
	case kind == 4 && r.ok():
		r.refuse(kindAt, RuleFeature, "imports an exception: policies are compiled without them")
	case kind > kindGlobal && r.ok():
		r.refuse(kindAt, RuleEncoding, "import of kind %#x does not exist", kind)
	case kind != kindFunc && r.ok() && !contract.AnyImport:
		r.refuse(at, RuleImport, "imports %s %q from %q: a policy may import functions only, those of %s", kindName(kind), clip(name), clip(module), contract.allowed())
	}
	if !r.ok() {
		return
	}
	switch kind {
	case kindFunc:
		t := r.typeIndex(m)
		m.funcs = append(m.funcs, t)
		m.importedFuncs++
		r.cap(at, RuleFunctions, "has %d functions", uint64(len(m.funcs)), limits.Functions)
		if !r.ok() {
			return
		}
		m.imports = append(m.imports, Import{Module: module, Name: name, Type: m.types[t]})
		if !contract.AnyImport {
			r.checkImport(at, module, name, m.types[t], contract)
		}
	case kindTable:
		r.table(m, limits)
		m.importedTables++
	case kindMemory:
		r.memory(m, limits)
	case kindGlobal:
		m.globals = append(m.globals, r.globalType())
		m.importedGlobals++
	}
}

// checkImport compares an imported function with the contract.
func (r *reader) checkImport(at int, module, name string, t FuncType, contract *Contract) {
	known, ok := contract.find(module, name)
	switch {
	case !ok:
		r.refuse(at, RuleImport, "imports function %q from %q; a policy may import %s", clip(name), clip(module), contract.allowed())
	case !known.Type.equal(t):
		r.refuse(at, RuleImport, "imports %s.%s as %v, should be %v", module, name, t, known.Type)
	}
}

// clip shortens a name for a message.
func clip(name string) string {
	const most = 64
	if len(name) > most {
		return name[:most] + "..."
	}
	return name
}
