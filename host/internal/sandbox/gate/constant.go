package gate

// constant reads a constant expression of a type: one constant, null, a
// function, or an imported constant global; then end.
func (r *reader) constant(m *Module, want ValType) {
	var in Instr
	at := r.pos
	r.instr(&in)
	if !r.ok() {
		return
	}
	var got ValType
	switch in.Op {
	case OpI32Const:
		got = I32
	case OpI64Const:
		got = I64
	case OpF32Const:
		got = F32
	case OpF64Const:
		got = F64
	case OpRefNull:
		got = in.Type
	case OpRefFunc:
		got = FuncRef
		if r.funcIndex(m, at, in.X) {
			m.reference(in.X)
		}
	case OpGlobalGet:
		got = r.constantGlobal(m, at, in.X)
	default:
		r.refuse(at, RuleConstant, "initial value is computed by %v, which is not constant", in.Op)
	}
	if got != want && r.ok() {
		r.refuse(at, RuleType, "initial value is %v, should be %v", got, want)
	}
	at = r.pos
	if r.instr(&in); in.Op != OpEnd && r.ok() {
		r.refuse(at, RuleConstant, "initial value is more than one constant")
	}
}

func (r *reader) constantGlobal(m *Module, at int, i uint32) ValType {
	switch {
	case uint64(i) >= uint64(m.importedGlobals):
		r.refuse(at, RuleIndex, "initial value is global %d, which is not imported", i)
		return unknown
	case m.globals[i].Mutable:
		r.refuse(at, RuleConstant, "initial value is global %d, which is not constant", i)
	}
	return m.globals[i].Type
}

// reference records that a function is referenced outside of code.
func (m *Module) reference(fn uint32) {
	if m.declared == nil {
		m.declared = make([]bool, len(m.funcs))
	}
	m.declared[fn] = true
}

// declare completes the list of referenced functions before code is read.
func (m *Module) declare() {
	if m.declared == nil {
		m.declared = make([]bool, len(m.funcs))
	}
}
