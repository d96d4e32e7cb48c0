package gate

// step runs one instruction on types.
func (v *validator) step(in *Instr) {
	info := in.Op.info()
	switch {
	case info.imm == immMemory:
		v.access(in, &info)
	case info.sig != "":
		if info.imm == immZero || info.imm == immZeros || info.imm == immIndexZero {
			v.needMemory()
		}
		if in.Op == OpMemoryInit {
			v.dataSegment(in.X)
		}
		v.apply(info.sig)
	case in.Op <= OpCallIndirect:
		v.flow(in)
	case in.Op >= OpLocalGet && in.Op <= OpGlobalSet:
		v.variable(in)
	case in.Op == OpDrop:
		v.popAny()
	case in.Op == OpSelect || in.Op == OpSelectT:
		v.choose(in)
	case in.Op >= OpRefNull && in.Op <= OpRefFunc:
		v.reference(in)
	default:
		v.table(in)
	}
}

// letter turns a letter of a signature into a type.
func letter(b byte) ValType {
	switch b {
	case 'i':
		return I32
	case 'I':
		return I64
	case 'f':
		return F32
	}
	return F64
}

func (v *validator) apply(sig string) {
	colon := len(sig) - 1
	if sig[colon] != ':' {
		colon--
	}
	for i := colon - 1; i >= 0; i-- {
		v.pop(letter(sig[i]))
	}
	if colon < len(sig)-1 {
		v.push(letter(sig[colon+1]))
	}
}

func (v *validator) needMemory() {
	if len(v.module.memories) == 0 {
		v.refuse(v.at, RuleIndex, "uses a memory, the module has none")
	}
}

func (v *validator) access(in *Instr, info *opInfo) {
	v.needMemory()
	if in.Y > uint32(info.align) {
		v.refuse(v.at, RuleAlignment, "%s promises an alignment of 2^%d bytes, its natural one is 2^%d", info.name, in.Y, info.align)
	}
	v.apply(info.sig)
}

func (v *validator) variable(in *Instr) {
	t, ok := v.typeOfVariable(in)
	if !ok {
		return
	}
	switch in.Op {
	case OpLocalGet:
		v.push(t)
		v.effort.Values-- // it is there already
	case OpGlobalGet:
		v.push(t)
	case OpLocalTee:
		v.pop(t)
		v.push(t)
	default:
		v.pop(t)
	}
}

func (v *validator) typeOfVariable(in *Instr) (ValType, bool) {
	if in.Op < OpGlobalGet {
		if uint64(in.X) >= uint64(len(v.locals)) {
			v.refuse(v.at, RuleIndex, "local %d does not exist, the function has %d", in.X, len(v.locals))
			return unknown, false
		}
		return v.locals[in.X], true
	}
	if uint64(in.X) >= uint64(len(v.module.globals)) {
		v.refuse(v.at, RuleIndex, "global %d does not exist, the module has %d", in.X, len(v.module.globals))
		return unknown, false
	}
	g := v.module.globals[in.X]
	if in.Op == OpGlobalSet && !g.Mutable {
		v.refuse(v.at, RuleMutable, "writes global %d, which is a constant", in.X)
	}
	return g.Type, true
}

func (v *validator) choose(in *Instr) {
	v.pop(I32)
	if in.Op == OpSelectT {
		v.pop(in.Type)
		v.pop(in.Type)
		v.push(in.Type)
		return
	}
	a, b := v.popAny(), v.popAny()
	if a == unknown {
		a, b = b, a
	}
	if a.ref() || b.ref() || a != b && b != unknown {
		v.refuse(v.at, RuleType, "selects between %v and %v, should be one numeric type", b, a)
	}
	v.push(a)
}

func (v *validator) reference(in *Instr) {
	switch in.Op {
	case OpRefNull:
		v.push(in.Type)
	case OpRefIsNull:
		if t := v.popAny(); t.numeric() {
			v.refuse(v.at, RuleType, "takes a reference, finds %v", t)
		}
		v.push(I32)
	case OpRefFunc:
		v.funcRef(in.X)
	}
}

func (v *validator) funcRef(i uint32) {
	switch {
	case uint64(i) >= uint64(len(v.module.funcs)):
		v.refuse(v.at, RuleIndex, "function %d does not exist, the module has %d", i, len(v.module.funcs))
	case !v.module.declared[i]:
		v.refuse(v.at, RuleDeclared, "takes a reference to function %d, which is neither exported nor in an element segment", i)
	default:
		v.push(FuncRef)
	}
}

func (v *validator) dataSegment(i uint32) {
	switch {
	case !v.module.hasDataCount:
		v.refuse(v.at, RuleDataCount, "uses a data segment, the module has no data count section")
	case i >= v.module.dataCount:
		v.refuse(v.at, RuleIndex, "data segment %d does not exist, the module has %d", i, v.module.dataCount)
	}
}

// tableType returns the type of a table's entries.
func (v *validator) tableType(i uint32) ValType {
	if uint64(i) >= uint64(len(v.module.tables)) {
		v.refuse(v.at, RuleIndex, "table %d does not exist, the module has %d", i, len(v.module.tables))
		return unknown
	}
	return v.module.tables[i].Type
}

// elementType returns the type of an element segment's entries.
func (v *validator) elementType(i uint32) ValType {
	if uint64(i) >= uint64(len(v.module.elements)) {
		v.refuse(v.at, RuleIndex, "element segment %d does not exist, the module has %d", i, len(v.module.elements))
		return unknown
	}
	return v.module.elements[i]
}

// table runs the instructions on tables and segments.
func (v *validator) table(in *Instr) {
	switch in.Op {
	case OpDataDrop:
		v.dataSegment(in.X)
		return
	case OpElemDrop:
		v.elementType(in.X)
		return
	case OpTableInit:
		v.sameType(v.tableType(in.Y), v.elementType(in.X))
		v.apply("iii:")
		return
	case OpTableCopy:
		v.sameType(v.tableType(in.X), v.tableType(in.Y))
		v.apply("iii:")
		return
	}
	t := v.tableType(in.X)
	switch in.Op {
	case OpTableGet:
		v.pop(I32)
		v.push(t)
	case OpTableSet:
		v.pop(t)
		v.pop(I32)
	case OpTableSize:
		v.push(I32)
	case OpTableGrow:
		v.pop(I32)
		v.pop(t)
		v.push(I32)
	case OpTableFill:
		v.pop(I32)
		v.pop(t)
		v.pop(I32)
	}
}

func (v *validator) sameType(to, from ValType) {
	if to != from && v.ok() {
		v.refuse(v.at, RuleType, "copies %v into a table of %v", from, to)
	}
}
