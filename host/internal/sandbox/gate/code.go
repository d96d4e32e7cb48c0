package gate

// Body is the code of one function of the module's own. Offsets are the
// module's.
type Body struct {
	Start  int // of the vector of locals
	Code   int // of the first instruction
	End    int // past the last end
	Locals int // of the function, parameters included
	Weight Weight
}

// bodies reads and validates the code section.
func (r *reader) bodies(m *Module, limits Limits) {
	at := r.pos
	n := r.count("functions")
	own := m.funcs[m.importedFuncs:]
	if int(n) != len(own) && r.ok() {
		r.refuse(at, RuleCount, "code section has %d functions, %d are declared", n, len(own))
		return
	}
	m.bodies = make([]Body, 0, len(own))
	for _, g := range m.globals {
		if g.Mutable {
			m.mutable++
		}
	}
	v := validator{module: m, limits: limits}
	for i := range own {
		at, size := r.pos, r.u32()
		from := r.pos
		r.bytes(size)
		v.reader = reader{wasm: r.wasm, pos: from, end: r.pos, section: r.section, fn: m.importedFuncs + i}
		if r.ok() && v.cap(at, RuleBodyBytes, "has %d bytes of code", uint64(size), limits.BodyBytes) {
			m.bodies = append(m.bodies, v.body(own[i]))
		}
		if r.err == nil && v.err != nil {
			r.err, r.pos = v.err, r.end
		}
		if !r.ok() {
			return
		}
	}
}

// body validates one function.
func (v *validator) body(typ uint32) (b Body) {
	t := &v.module.types[typ]
	b.Start = v.pos
	v.declare(t.Params)
	b.Code, b.End, b.Locals = v.pos, v.end, len(v.locals)
	v.operands, v.controls = v.operands[:0], v.controls[:0]
	v.at = v.pos
	v.openBlock(OpBlock, nil, t.Results)
	v.effort.begin(len(v.locals), v.module.mutable)
	var in Instr
	for v.ok() && len(v.controls) > 0 {
		v.at = v.pos
		v.instr(&in)
		if v.ok() {
			v.effort.add(&in, len(v.operands))
			v.step(&in)
		}
	}
	if v.left() > 0 && v.ok() {
		v.refuse(v.pos, RuleControl, "%d bytes of code follow the function's end", v.left())
	}
	if v.ok() {
		b.Weight = v.effort.Weight
		v.addEffort(&b)
	}
	return b
}

// declare reads the locals, behind the parameters.
func (v *validator) declare(params []ValType) {
	v.locals = append(v.locals[:0], params...)
	groups := v.count("groups of locals")
	for range groups {
		at, n := v.pos, v.u32()
		t := v.valType()
		// The number is checked before anything is allocated.
		if !v.ok() || !v.cap(at, RuleLocals, "declares %d locals", uint64(n)+uint64(len(v.locals)), v.limits.Locals) {
			return
		}
		for range n {
			v.locals = append(v.locals, t)
		}
	}
	v.module.locals += len(v.locals)
	v.cap(v.pos, RuleAllLocals, "brings the locals of all functions to %d", uint64(v.module.locals), v.limits.AllLocals)
}
