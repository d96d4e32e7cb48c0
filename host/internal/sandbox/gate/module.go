package gate

import "slices"

// Bytes returns the module's bytes, not to be written. Custom sections are
// among them, of which only the name was checked. Compilers parse the names and
// debug information in them, and have crashed on some: leave them out (Sections).
func (m *Module) Bytes() []byte { return m.wasm }

// Sections returns the sections in order, without the custom ones.
func (m *Module) Sections() []Section { return slices.Clone(m.sections) }

// Types returns the function types.
func (m *Module) Types() []FuncType { return slices.Clone(m.types) }

// Bodies returns the functions of the module's own, in order.
func (m *Module) Bodies() []Body { return slices.Clone(m.bodies) }

// TypeOf returns the type of a function, imported ones counted first.
func (m *Module) TypeOf(fn int) FuncType { return m.types[m.funcs[fn]] }

// ImportedFuncs returns how many functions are imported.
func (m *Module) ImportedFuncs() int { return m.importedFuncs }

// Referenced reports whether there may be a reference to a function, by which
// it can be called through a table. Exported ones count.
func (m *Module) Referenced(fn int) bool { return fn < len(m.declared) && m.declared[fn] }

// Globals returns how many globals there are, imported ones included.
func (m *Module) Globals() int { return len(m.globals) }

// MutableGlobals returns how many of the globals can be written.
func (m *Module) MutableGlobals() int { return m.mutable }

// Global returns the type of a global; false where there is none.
func (m *Module) Global(i int) (GlobalType, bool) {
	if i >= len(m.globals) {
		return GlobalType{}, false
	}
	return m.globals[i], true
}

// Tables returns the tables, imported ones first.
func (m *Module) Tables() []TableType { return slices.Clone(m.tables) }

// Memory returns the bounds of the memory; false where there is none.
func (m *Module) Memory() (Bounds, bool) {
	if len(m.memories) == 0 {
		return Bounds{}, false
	}
	return m.memories[0], true
}

// Grows reports whether the module has an instruction by which its memory
// becomes larger.
func (m *Module) Grows() bool {
	return slices.ContainsFunc(m.bodies, func(b Body) bool { return b.Weight.Grows > 0 })
}

// BlockType returns what a block, loop or if takes from the stack and leaves on
// it.
func (m *Module) BlockType(in *Instr) FuncType {
	if in.Block.indexed {
		return m.types[in.Block.index]
	}
	return FuncType{Results: singleType(in.Block.result)}
}

// Effort returns what compiling the module costs, in the unit of Limits.Effort.
func (m *Module) Effort() uint64 { return m.effort }

// Each calls f with every instruction of a body, the last end included. in is
// valid until f returns.
func (m *Module) Each(b Body, f func(in *Instr)) {
	r := reader{wasm: m.wasm, pos: b.Code, end: b.End, fn: -1}
	var in Instr
	for r.left() > 0 {
		if r.instr(&in); r.err != nil {
			return // not in a module that Check returned
		}
		f(&in)
	}
}

// TableEntries returns how many entries a table may have, in the limits that
// the module was checked with.
func (m *Module) TableEntries() uint32 { return uint32(min(m.limits.TableEntries, 1<<32-1)) }

// ImportedTables returns how many tables are imported.
func (m *Module) ImportedTables() int { return m.importedTables }
