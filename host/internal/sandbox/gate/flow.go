package gate

// flow runs the instructions that branch, and calls.
func (v *validator) flow(in *Instr) {
	switch in.Op {
	case OpUnreachable:
		v.markUnreachable()
	case OpBlock, OpLoop:
		v.block(in)
	case OpIf:
		v.pop(I32)
		v.block(in)
	case OpElse:
		v.elseBlock()
	case OpEnd:
		v.endBlock()
	case OpBr:
		if c := v.label(in.X); c != nil {
			v.popAll(c.labelTypes())
			v.markUnreachable()
		}
	case OpBrIf:
		v.pop(I32)
		if c := v.label(in.X); c != nil {
			v.popAll(c.labelTypes())
			v.pushAll(c.labelTypes())
		}
	case OpBrTable:
		v.branchTable(in)
	case OpReturn:
		v.popAll(v.controls[0].end)
		v.markUnreachable()
	case OpCall:
		v.call(in.X)
	case OpCallIndirect:
		v.callIndirect(in)
	}
}

func (v *validator) block(in *Instr) {
	start, end := v.blockTypes(in.Block)
	v.popAll(start)
	if v.ok() {
		v.effort.phis.openBlock(in.Op == OpLoop, len(start), len(end))
		v.openBlock(in.Op, start, end)
	}
}

func (v *validator) blockTypes(b blockType) (start, end []ValType) {
	if !b.indexed {
		return nil, singleType(b.result)
	}
	if t := v.funcType(b.index); t != nil {
		return t.Params, t.Results
	}
	return nil, nil
}

// one returns a slice of one type, or of none.
func singleType(t ValType) []ValType {
	for i := range singles {
		if singles[i] == t {
			return singles[i : i+1 : i+1]
		}
	}
	return nil
}

// singles is never written.
var singles = [...]ValType{I32, I64, F32, F64, FuncRef, ExternRef}

func (v *validator) funcType(i uint32) *FuncType {
	if uint64(i) >= uint64(len(v.module.types)) {
		v.refuse(v.at, RuleIndex, "type %d does not exist, the module has %d", i, len(v.module.types))
		return nil
	}
	return &v.module.types[i]
}

func (v *validator) elseBlock() {
	if v.top().op != OpIf {
		v.refuse(v.at, RuleControl, "else without if")
		return
	}
	c := v.closeBlock()
	if v.ok() {
		v.openBlock(OpElse, c.start, c.end)
	}
}

func (v *validator) endBlock() {
	c := v.closeBlock()
	if c.op == OpIf && v.ok() && !(FuncType{Params: c.start, Results: c.end}).keepsTypes() {
		v.refuse(c.at, RuleType, "if without else turns (%s) into (%s)", typeNames(c.start), typeNames(c.end))
	}
	if len(v.controls) > 0 {
		v.pushAll(c.end)
	}
}

// keepsTypes reports whether results and parameters have the same types.
func (t FuncType) keepsTypes() bool { return t.equal(FuncType{Params: t.Results, Results: t.Params}) }

func (v *validator) branchTable(in *Instr) {
	if !v.cap(v.at, RuleTargets, "br_table has %d targets", uint64(in.Count), v.limits.Targets) {
		return
	}
	v.pop(I32)
	arity := -1
	in.EachLabel(func(l uint32) {
		if !v.ok() {
			return
		}
		c := v.label(l)
		if c == nil {
			return
		}
		types := c.labelTypes()
		if arity >= 0 && len(types) != arity {
			v.refuse(v.at, RuleType, "br_table branches with %d operands and with %d", arity, len(types))
			return
		}
		arity = len(types)
		v.peekAll(types)
	})
	v.markUnreachable()
}

func (v *validator) call(i uint32) {
	if uint64(i) >= uint64(len(v.module.funcs)) {
		v.refuse(v.at, RuleIndex, "function %d does not exist, the module has %d", i, len(v.module.funcs))
		return
	}
	t := &v.module.types[v.module.funcs[i]]
	v.popAll(t.Params)
	v.pushAll(t.Results)
}

func (v *validator) callIndirect(in *Instr) {
	if t := v.tableType(in.Y); t != FuncRef && v.ok() {
		v.refuse(v.at, RuleType, "calls through a table of %v", t)
	}
	v.pop(I32)
	if t := v.funcType(in.X); t != nil {
		v.popAll(t.Params)
		v.pushAll(t.Results)
	}
}
