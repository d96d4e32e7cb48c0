package gate

// Weight counts what makes a function expensive to compile, and to enter.
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
	// unit is also one step of such a walk. phiCost bounds the rest of its work
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

// unreachableDistance is the distance of code that never runs.
const unreachableDistance = 1 << 40

// effortEstimate adds up the effort of a function. It follows how far the code is
// from the function's entry, in basic blocks of which each dominates the next.
type effortEstimate struct {
	globals  int // mutable ones
	vars     uint64
	distance uint64
	frames   []effortFrame
	phis     phiCost
	exits    int // checks that may trap
	Weight
}

// effortFrame is an open block.
type effortFrame struct {
	loop  bool
	cond  uint64 // of an if without an else so far: the condition's distance
	after uint64 // the least distance of a branch to its end
}

func (s *effortEstimate) begin(locals, globals int) {
	*s = effortEstimate{globals: globals, vars: uint64(locals) + implied, distance: 1, frames: s.frames[:0], phis: s.phis}
	s.frames = append(s.frames, effortFrame{cond: unreachableDistance, after: unreachableDistance})
	s.phis.begin(locals)
	s.Effort = effortFunc + uint64(locals)*effortLocal
}

// edge adds an edge between blocks, at which variables are looked up.
func (s *effortEstimate) edge(vars uint64) {
	if s.distance < unreachableDistance {
		s.Effort += s.distance * vars
	}
}

// branchTo adds a branch to a block.
func (s *effortEstimate) branchTo(depth uint32) {
	f := &s.frames[len(s.frames)-1-int(min(depth, uint32(len(s.frames)-1)))]
	s.edge(s.vars)
	s.phis.edges++
	if !f.loop {
		f.after = min(f.after, s.distance)
	}
}

// add takes the next instruction, before it is validated, above so many
// operands.
func (s *effortEstimate) add(in *Instr, operands int) {
	s.Instrs++
	s.Effort += effortInstr
	s.phis.add(in)
	info := in.Op.info()
	s.addChecks(int(info.checks))
	switch {
	case info.imm == immMemory:
		s.Accesses++
		s.addChecks(1)
	case in.Op <= OpBrTable || in.Op == OpReturn:
		s.carryOperands(in, uint64(operands))
		s.flow(in)
	case in.Op == OpCall || in.Op == OpCallIndirect:
		s.Calls++
		s.Effort += effortCall + s.reloadGlobals()
	case in.Op == OpMemoryGrow || in.Op >= OpMemoryInit && in.Op != OpDataDrop && in.Op != OpElemDrop && in.Op != OpTableSize:
		s.Effort += effortBulk + s.reloadGlobals() + uint64(operands)*effortOperandLoop
		s.edge(implied * steps)
		s.distance += loopSteps
		s.phis.addBulk()
		if in.Op == OpMemoryGrow {
			s.Grows++
		}
	}
}

// carryOperands adds the cost of operands that stay on the stack where blocks begin
// and end, without the one that the instruction takes.
func (s *effortEstimate) carryOperands(in *Instr, operands uint64) {
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

// addChecks adds n checks that may trap: each has an exit of its own from the
// function, and the more there are, the longer the compiler takes for each.
func (s *effortEstimate) addChecks(n int) {
	for range n {
		s.exits++
		s.Effort += effortExit + uint64(s.exits)>>5
	}
}

// reloadGlobals returns what a call adds for the mutable globals. Their square is
// for memory: each is a new value after every call.
func (s *effortEstimate) reloadGlobals() uint64 {
	n := uint64(s.globals)
	return n*effortReload + n*n/4
}

func (s *effortEstimate) flow(in *Instr) {
	switch in.Op {
	case OpBlock, OpLoop, OpIf:
		s.Blocks++
		s.Effort += effortBlock + uint64(len(s.frames))>>2
		f := effortFrame{loop: in.Op == OpLoop, cond: unreachableDistance, after: unreachableDistance}
		if in.Op == OpIf {
			s.Branches++
			f.cond = s.distance
		}
		s.frames = append(s.frames, f)
		if in.Op != OpBlock {
			s.edge(s.vars)
			s.distance += steps
		}
		if f.loop {
			s.phis.edges++
		}
	case OpElse:
		s.Blocks++
		f := &s.frames[len(s.frames)-1]
		f.after = min(f.after, s.distance)
		s.distance = f.cond + steps
		f.cond = unreachableDistance
	case OpEnd:
		s.end()
	case OpBr:
		s.Branches++
		s.branchTo(in.X)
		s.distance = unreachableDistance
	case OpBrIf:
		s.Branches++
		s.branchTo(in.X)
		s.edge(implied)
		s.distance += steps
	case OpBrTable:
		s.Branches++
		s.Effort += uint64(in.Count) * (effortLabel + effortCarry*s.vars)
		s.distance++ // every label has a block of its own, before its target
		in.EachLabel(s.branchTo)
		s.distance = unreachableDistance
	case OpReturn, OpUnreachable:
		s.distance = unreachableDistance
	}
}

// end closes a block.
func (s *effortEstimate) end() {
	f := s.frames[len(s.frames)-1]
	if len(s.frames) > 1 {
		s.frames = s.frames[:len(s.frames)-1]
	}
	if f.loop {
		s.phis.loops--
	}
	least := min(f.after, f.cond)
	if f.loop || least >= unreachableDistance {
		return // what follows has no other way to it
	}
	s.edge(s.vars)
	s.phis.edges += 2
	s.distance = min(s.distance, least) + steps
}

// addEffort adds a function's effort to the module's.
func (v *validator) addEffort(b *Body) {
	b.Weight.Effort += v.effort.phis.effort()
	v.module.effort += b.Weight.Effort
	v.cap(b.Start, RuleEffort, "brings the effort of compiling to %d", v.module.effort, v.limits.Effort)
}
