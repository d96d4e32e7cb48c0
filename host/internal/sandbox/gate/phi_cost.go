package gate

// phiCost bounds the compiler's work on the values of variables where blocks meet:
// their phis. The compiler gives each such block a parameter for every variable that is
// looked up there, and then removes the parameters that always have the same
// value, in rounds, until a round removes none: each round compares, at every
// edge into such a block, each parameter, and for each of them resolves the
// arguments for all. That is edges * variables^2 a round. A parameter waits for
// another round only if its value comes along a back edge; so a variable that
// is handed on unchanged takes as many rounds as loops are nested, and each copy
// from one variable to another in a loop may add as many again.
type phiCost struct {
	read   []uint64 // a bit for each local that is read
	locals int      // of those
	stack  int      // the most values that a block takes and leaves
	edges  int      // into blocks where others meet them
	loops  int      // open
	nested int      // the most loops that were open
	copies int      // in loops: of a value that may be another variable's
	fresh  bool     // the last instruction has left a value of its own making
}

// phiSteps is how many comparisons make a unit of effort.
const phiSteps = 48

func (m *phiCost) begin(locals int) {
	words := (locals + 63) / 64
	if cap(m.read) < words {
		m.read = make([]uint64, words)
	}
	m.read = m.read[:words]
	clear(m.read)
	*m = phiCost{read: m.read}
}

// add takes the next instruction, before it is validated.
func (m *phiCost) add(in *Instr) {
	switch {
	case in.Op == OpLocalGet:
		if word := int(in.X / 64); word < len(m.read) && m.read[word]>>(in.X%64)&1 == 0 {
			m.read[word] |= 1 << (in.X % 64)
			m.locals++
		}
	case in.Op == OpLocalSet || in.Op == OpLocalTee:
		if m.loops > 0 && !m.fresh {
			m.copies++
		}
	}
	m.fresh = pushesNewValue(in.Op)
}

// pushesNewValue reports whether an instruction leaves a new value on the stack.
func pushesNewValue(op Op) bool {
	sig := op.info().sig
	return op == OpSelect || len(sig) > 0 && sig[len(sig)-1] != ':'
}

// openBlock begins a block that takes and leaves so many values.
func (m *phiCost) openBlock(loop bool, params, results int) {
	m.stack = max(m.stack, params, results)
	if !loop {
		return
	}
	m.loops++
	m.nested = max(m.nested, m.loops)
	m.copies += params
}

// addBulk adds an instruction that compiles to loops.
func (m *phiCost) addBulk() {
	m.edges += loopSteps
	m.nested = max(m.nested, m.loops+1)
}

// effort returns what the function's phis cost.
func (m *phiCost) effort() uint64 {
	rounds := 2 + float64(m.nested)*float64(1+m.copies)
	vars := float64(m.locals + m.stack + implied)
	return uint64(min(rounds*float64(m.edges)*vars*vars/phiSteps, unreachableDistance))
}
