package gate

func (r *reader) elements(m *Module, limits Limits) {
	at := r.pos
	n := r.count("element segments")
	if !r.cap(at, RuleElements, "has %d element segments", uint64(n), limits.Elements) {
		return
	}
	for range n {
		r.element(m)
		if !r.ok() {
			return
		}
	}
}

// Bits of an element segment's form.
const (
	formPassive  = 1 // or declared; without it, active
	formExplicit = 2 // active: names its table; passive: is declared only
	formValues   = 4 // entries are expressions, not functions
)

func (r *reader) element(m *Module) {
	at := r.pos
	form := r.u32()
	if form > 7 {
		r.refuse(at, RuleEncoding, "element segment of form %d does not exist", form)
		return
	}
	active, target := form&formPassive == 0, uint32(0)
	if active {
		if form&formExplicit != 0 {
			target = r.u32()
		}
		if uint64(target) >= uint64(len(m.tables)) && r.ok() {
			r.refuse(at, RuleIndex, "element segment is for table %d, the module has %d", target, len(m.tables))
			return
		}
		r.constant(m, I32)
	}
	t := FuncRef
	if form&(formPassive|formExplicit) != 0 {
		t = r.elementType(form)
	}
	if active && r.ok() && m.tables[target].Type != t {
		r.refuse(at, RuleType, "element segment of %v is for a table of %v", t, m.tables[target].Type)
	}
	r.entries(m, form, t)
	m.elements = append(m.elements, t)
}

func (r *reader) elementType(form uint32) ValType {
	if form&formValues != 0 {
		return r.refType()
	}
	at := r.pos
	if kind := r.byte(); kind != 0 {
		r.refuse(at, RuleEncoding, "elements of kind %#x do not exist", kind)
	}
	return FuncRef
}

func (r *reader) entries(m *Module, form uint32, t ValType) {
	for range r.count("elements") {
		at := r.pos
		if form&formValues != 0 {
			r.constant(m, t)
		} else if i := r.u32(); r.ok() && r.funcIndex(m, at, i) {
			m.reference(i)
		}
		if !r.ok() {
			return
		}
	}
}

func (r *reader) data(m *Module, limits Limits) {
	at := r.pos
	n := r.count("data segments")
	if !r.cap(at, RuleData, "has %d data segments", uint64(n), limits.Data) {
		return
	}
	m.dataSegments = n
	for range n {
		r.datum(m)
		if !r.ok() {
			return
		}
	}
}

func (r *reader) datum(m *Module) {
	at := r.pos
	form := r.u32()
	if form > 2 {
		r.refuse(at, RuleEncoding, "data segment of form %d does not exist", form)
		return
	}
	if form != 1 {
		memory := uint32(0)
		if form == 2 {
			memory = r.u32()
		}
		if uint64(memory) >= uint64(len(m.memories)) && r.ok() {
			r.refuse(at, RuleIndex, "data segment is for memory %d, the module has %d", memory, len(m.memories))
		}
		r.constant(m, I32)
	}
	r.bytes(r.u32())
}
