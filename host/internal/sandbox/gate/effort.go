package gate

// Weight counts what makes a function dear: to compile, and to enter.
type Weight struct {
	Instrs   int
	Blocks   int // block, loop, if and else
	Accesses int // of memory
	Branches int // if, br, br_if and br_table
	Calls    int // of functions, imported ones and those in tables included
	Grows    int // of the memory
	// Values is how many values the code defines at most: what instructions
	// push, and what blocks begin and end with, but not what locals hold.
	Values int
	// Effort estimates what compiling the function costs, metering included.
	// A unit is some 10 ns of wazero's optimising compiler on a server of 2020s
	// make in code that Go emits, and up to 20 in any other; machines differ,
	// effort does not, so it alone decides what is let in. The compiler is
	// linear in most code, but walks the dominator tree upwards for every edge
	// between basic blocks, and for every variable wherever blocks meet: so a
	// unit is also one step of such a walk. merges bounds the rest of its work
	// where blocks meet.
	Effort uint64
}

// Units of effort, measured with wazero v1.12.
const (
	effortFunc   = 1000 // of one function, whatever is in it
	effortInstr  = 10
	effortExit   = 100 // of one check that may trap: of bounds, of a divisor
	effortCall   = 100
	effortBulk   = 1500 // a loop of calls
	effortBlock  = 40
	effortLabel  = 350 // of a br_table: a block and its phis, which Go's dispatch is made of
	effortCarry  = 10  // of one variable at such a label
	effortReload = 30  // of one mutable global after a call
	effortLocal  = 4   // of one that is declared, whether it is used or not
	// Of an operand below a block, which has a place in every block until it is
	// used: of an if or a branch, and of a loop.
	effortOperand     = 12
	effortOperandLoop = 36
	// implied is how many variables a function has beside its locals: the
	// memory's base and length, and the fuel.
	implied = 4
	// steps is how far an edge lengthens the way to the entry: a block of its
	// own, and one for the meter's charge.
	steps = 2
	// loopSteps is that of an instruction that compiles to loops and calls.
	loopSteps = 8
)

// unreached is the distance of code that is never run.
const unreached = 1 << 40

// strain follows how far a function's code is from its entry, in basic blocks
// of which each dominates the next, and adds up the effort.
type strain struct {
	globals int // mutable ones
	vars    uint64
	here    uint64
	frames  []strainFrame
	merges  merges
	exits   int // checks that may trap
	Weight
}

// strainFrame is an open block.
type strainFrame struct {
	loop  bool
	cond  uint64 // of an if without an else so far: the condition's distance
	after uint64 // the least distance of a branch to its end
}

func (s *strain) begin(locals, globals int) {
	*s = strain{globals: globals, vars: uint64(locals) + implied, here: 1, frames: s.frames[:0], merges: s.merges}
	s.frames = append(s.frames, strainFrame{cond: unreached, after: unreached})
	s.merges.begin(locals)
	s.Effort = effortFunc + uint64(locals)*effortLocal
}

// edge adds a way between blocks, at which variables are looked up.
func (s *strain) edge(vars uint64) {
	if s.here < unreached {
		s.Effort += s.here * vars
	}
}

// meet adds a branch to a block.
func (s *strain) meet(depth uint32) {
	f := &s.frames[len(s.frames)-1-int(min(depth, uint32(len(s.frames)-1)))]
	s.edge(s.vars)
	s.merges.edges++
	if !f.loop {
		f.after = min(f.after, s.here)
	}
}

// add takes the next instruction, before it is validated, above so many
// operands.
func (s *strain) add(in *Instr, operands int) {
	s.Instrs++
	s.Effort += effortInstr
	s.merges.add(in)
	info := in.Op.info()
	s.check(int(info.checks))
	switch {
	case info.imm == immMemory:
		s.Accesses++
		s.check(1)
	case in.Op <= OpBrTable || in.Op == OpReturn:
		s.carry(in, uint64(operands))
		s.flow(in)
	case in.Op == OpCall || in.Op == OpCallIndirect:
		s.Calls++
		s.Effort += effortCall + s.reload()
	case in.Op == OpMemoryGrow || in.Op >= OpMemoryInit && in.Op != OpDataDrop && in.Op != OpElemDrop && in.Op != OpTableSize:
		s.Effort += effortBulk + s.reload() + uint64(operands)*effortOperandLoop
		s.edge(implied * steps)
		s.here += loopSteps
		s.merges.bulk()
		if in.Op == OpMemoryGrow {
			s.Grows++
		}
	}
}

// carry adds what the operands cost that live on where blocks begin and end:
// not the one that the instruction takes.
func (s *strain) carry(in *Instr, operands uint64) {
	switch in.Op {
	case OpIf, OpBrIf, OpBrTable:
		operands -= min(operands, 1)
	}
	switch in.Op {
	case OpLoop:
		s.Effort += operands * effortOperandLoop
	case OpBlock, OpIf, OpElse, OpEnd, OpBr, OpBrIf:
		s.Effort += operands * effortOperand
	case OpBrTable:
		s.Effort += operands * effortOperand * (1 + uint64(in.Count))
	}
}

// check adds n checks that may trap: each leaves the function in a way of its
// own, and the more there are, the longer the compiler has with each.
func (s *strain) check(n int) {
	for range n {
		s.exits++
		s.Effort += effortExit + uint64(s.exits)>>5
	}
}

// reload is what a call adds for the mutable globals. Their square is for
// memory: each is a value of its own after every call.
func (s *strain) reload() uint64 {
	n := uint64(s.globals)
	return n*effortReload + n*n/4
}

func (s *strain) flow(in *Instr) {
	switch in.Op {
	case OpBlock, OpLoop, OpIf:
		s.Blocks++
		s.Effort += effortBlock + uint64(len(s.frames))>>2
		f := strainFrame{loop: in.Op == OpLoop, cond: unreached, after: unreached}
		if in.Op == OpIf {
			s.Branches++
			f.cond = s.here
		}
		s.frames = append(s.frames, f)
		if in.Op != OpBlock {
			s.edge(s.vars)
			s.here += steps
		}
		if f.loop {
			s.merges.edges++
		}
	case OpElse:
		s.Blocks++
		f := &s.frames[len(s.frames)-1]
		f.after = min(f.after, s.here)
		s.here = f.cond + steps
		f.cond = unreached
	case OpEnd:
		s.end()
	case OpBr:
		s.Branches++
		s.meet(in.X)
		s.here = unreached
	case OpBrIf:
		s.Branches++
		s.meet(in.X)
		s.edge(implied)
		s.here += steps
	case OpBrTable:
		s.Branches++
		s.Effort += uint64(in.Count) * (effortLabel + effortCarry*s.vars)
		s.here++ // every label has a block of its own, before its target
		in.EachLabel(s.meet)
		s.here = unreached
	case OpReturn, OpUnreachable:
		s.here = unreached
	}
}

// end closes a block.
func (s *strain) end() {
	f := s.frames[len(s.frames)-1]
	if len(s.frames) > 1 {
		s.frames = s.frames[:len(s.frames)-1]
	}
	if f.loop {
		s.merges.loops--
	}
	least := min(f.after, f.cond)
	if f.loop || least >= unreached {
		return // what follows has no other way to it
	}
	s.edge(s.vars)
	s.merges.edges += 2
	s.here = min(s.here, least) + steps
}

// weigh adds a function's effort to the module's.
func (v *machine) weigh(b *Body) {
	b.Weight.Effort += v.strain.merges.effort()
	v.module.effort += b.Weight.Effort
	v.cap(b.Start, RuleEffort, "brings the effort of compiling to %d", v.module.effort, v.limits.Effort)
}
