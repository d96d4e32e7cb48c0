package gate

// Weight counts what makes a function expensive to compile.
type Weight struct {
	Blocks  int // block, loop, if and else
	Loops   int
	Depth   int // of nested blocks
	Targets int // of all its br_tables
	Instrs  int
}

func (w *Weight) add(in *Instr, depth int) {
	w.Instrs++
	w.Depth = max(w.Depth, depth)
	switch in.Op {
	case OpLoop:
		w.Loops++
		w.Blocks++
	case OpBlock, OpIf, OpElse:
		w.Blocks++
	case OpBrTable:
		w.Targets += int(in.Count) + 1
	}
}

// weigh adds a function's effort to the module's.
func (v *machine) weigh(b *Body) {
	v.module.effort += uint64(b.Weight.Loops) * uint64(b.Locals)
	v.cap(b.Start, RuleEffort, "brings the effort of compiling to %d", v.module.effort, v.limits.Effort)
}
