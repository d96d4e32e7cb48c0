package meter

import "idlehost/host/internal/sandbox/gate"

// A compiler keeps the stack of its language in memory, and the address of its
// end in the first global. The memory there was used a moment ago, and is in the
// cache, as long as the pointer moves by little: a function takes its frame and
// gives it back. So moving the pointer costs something, and accesses near it pay
// for no wait for memory.
const (
	moveLeast = 128 // bytes: a longer move is charged like a load that misses
	nearby    = 256 // bytes from the pointer
	costMove  = 4
)

// stackPointers finds the locals of a function that hold the stack pointer: those
// that are only ever assigned the first global, or themselves moved by little.
type stackPointers struct {
	exists bool // the first global may be a stack pointer
	recent [3]gate.Instr
	local  []bool // that holds it
	other  []bool // that is assigned anything else
}

func pointersIn(m *gate.Module) stackPointers {
	g, ok := m.Global(0)
	return stackPointers{exists: ok && g.Mutable && g.Type == gate.I32}
}

// find goes through a function.
func (p *stackPointers) find(m *gate.Module, b gate.Body, params int) {
	if len(p.local) < b.Locals {
		p.local, p.other = make([]bool, b.Locals), make([]bool, b.Locals)
	}
	clear(p.local)
	clear(p.other)
	for i := range params {
		p.other[i] = true
	}
	if !p.exists {
		return
	}
	m.Each(b, func(in *gate.Instr) {
		if in.Op == gate.OpLocalSet || in.Op == gate.OpLocalTee {
			_, ok := p.moved(in)
			p.local[in.X] = p.local[in.X] || ok
			p.other[in.X] = p.other[in.X] || !ok
		}
		p.remember(in)
	})
	for i, other := range p.other {
		p.local[i] = p.local[i] && !other
	}
	p.recent = [3]gate.Instr{}
}

func (p *stackPointers) remember(in *gate.Instr) {
	p.recent[0], p.recent[1], p.recent[2] = p.recent[1], p.recent[2], *in
}

// moved returns ok where an assignment copies the pointer, or moves it by little
// within the same local or global; moves says which of the two.
func (p *stackPointers) moved(in *gate.Instr) (moves, ok bool) {
	base, by, how := &p.recent[0], &p.recent[1], &p.recent[2]
	if how.Op == gate.OpGlobalGet {
		return false, how.X == 0
	}
	if how.Op == gate.OpLocalGet || how.Op == gate.OpLocalTee {
		return false, in.Op == gate.OpGlobalSet && p.local[how.X]
	}
	if (how.Op != opAdd32 && how.Op != opSub32) || by.Op != gate.OpI32Const || int32(by.X) > moveLeast || int32(by.X) < -moveLeast {
		return false, false
	}
	switch base.Op {
	case gate.OpGlobalGet:
		return true, base.X == 0
	case gate.OpLocalGet:
		return true, base.X == in.X && in.Op != gate.OpGlobalSet || in.Op == gate.OpGlobalSet && p.local[base.X]
	}
	return false, false
}

const opAdd32, opSub32 = gate.Op(opI32Add), gate.Op(opI32Sub)
