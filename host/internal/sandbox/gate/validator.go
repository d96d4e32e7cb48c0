package gate

// control is an open block, as in the validation algorithm of the
// specification's appendix.
type control struct {
	op          Op // block, loop, if or else; the function itself is a block
	at          int
	start, end  []ValType
	height      int // of the operand stack where it begins
	unreachable bool
}

// labelTypes are the operands that a branch to the block takes.
func (c *control) labelTypes() []ValType {
	if c.op == OpLoop {
		return c.start
	}
	return c.end
}

// validator runs the code of a function on types, as an abstract machine.
type validator struct {
	reader
	module   *Module
	limits   Limits
	operands []ValType
	controls []control
	locals   []ValType
	at       int // of the current instruction
	effort   effortEstimate
}

func (v *validator) top() *control { return &v.controls[len(v.controls)-1] }

func (v *validator) push(t ValType) {
	if len(v.operands) >= v.limits.Operands {
		v.cap(v.at, RuleOperands, "has %d operands on the stack", uint64(len(v.operands)+1), v.limits.Operands)
		return
	}
	v.operands = append(v.operands, t)
	v.effort.Values++
}

func (v *validator) pushAll(types []ValType) {
	for _, t := range types {
		v.push(t)
	}
}

// popAny takes whatever is on top.
func (v *validator) popAny() ValType {
	c := v.top()
	if len(v.operands) == c.height {
		if !c.unreachable {
			v.refuse(v.at, RuleType, "takes an operand from an empty stack")
		}
		return unknown
	}
	t := v.operands[len(v.operands)-1]
	v.operands = v.operands[:len(v.operands)-1]
	return t
}

// pop takes an operand of a type.
func (v *validator) pop(want ValType) {
	if got := v.popAny(); got != want && got != unknown {
		v.refuse(v.at, RuleType, "takes %v, finds %v", want, got)
	}
}

func (v *validator) popAll(types []ValType) {
	for i := len(types) - 1; i >= 0 && v.ok(); i-- {
		v.pop(types[i])
	}
}

// peekAll compares the top of the stack with types, without popping it.
func (v *validator) peekAll(types []ValType) {
	c := v.top()
	for i := range types {
		want, at := types[len(types)-1-i], len(v.operands)-1-i
		if at < c.height {
			if !c.unreachable {
				v.refuse(v.at, RuleType, "branches with %d operands, has %d", len(types), i)
			}
			return
		}
		if got := v.operands[at]; got != want && got != unknown {
			v.refuse(v.at, RuleType, "branches with %v, should be %v", got, want)
			return
		}
	}
}

func (v *validator) openBlock(op Op, start, end []ValType) {
	if !v.cap(v.at, RuleDepth, "nests %d blocks", uint64(len(v.controls)), v.limits.Depth) {
		return
	}
	v.controls = append(v.controls, control{op: op, at: v.at, start: start, end: end, height: len(v.operands)})
	v.pushAll(start)
}

// closeBlock ends the innermost block, which must leave its results and nothing
// else.
func (v *validator) closeBlock() control {
	c := *v.top()
	v.popAll(c.end)
	if len(v.operands) != c.height && v.ok() {
		v.refuse(v.at, RuleType, "block leaves %d operands too many", len(v.operands)-c.height)
	}
	v.controls = v.controls[:len(v.controls)-1]
	return c
}

// markUnreachable marks the code that follows as unreachable.
func (v *validator) markUnreachable() {
	c := v.top()
	v.operands = v.operands[:c.height]
	c.unreachable = true
}

// label returns the block that a branch goes to.
func (v *validator) label(depth uint32) *control {
	if uint64(depth) >= uint64(len(v.controls)) {
		v.refuse(v.at, RuleIndex, "branches out of %d blocks, is in %d", uint64(depth)+1, len(v.controls))
		return nil
	}
	return &v.controls[len(v.controls)-1-int(depth)]
}
