package meter

import "idlehost/host/internal/sandbox/gate"

// accessPrice is what accesses to memory cost, by how large the memory may get: in
// one that is larger than a cache, a guest can make every access miss that cache.
//
// A processor starts many loads at a time, as soon as it knows their addresses.
// So in a piece of code without a branch, only the first of the loads that wait
// for equally many others pays for the whole way to memory; and the stores,
// which nothing waits for, pay for none. But a store that reaches from a page of the
// processor into the next one keeps all behind it waiting, and no offset or
// alignment that a guest tells shows that it does not. A byte cannot.
type accessPrice struct {
	first int64 // of the loads that wait for as many others
	next  int64 // of them
	byte  int64 // a load or a store of one
	store int64 // of more
}

// Measured beside a neighbour who fills the cache that all cores share: 5 ns
// in the second cache of a core, 20 to 30 where that has 1 MiB and the memory as
// much, 140 to 180 where it is larger. Independent loads take a tenth of it. A load
// over two pages that the next waits for takes 9 ns, a store over two pages 11 to 18
// on an Intel Xeon (family 6, model 167), 22 to 33 on an AMD EPYC (family 25, model
// 17), the more the further they are apart.
const (
	pagesNear = 8 // of 64 KiB
	pagesFar  = 16
)

// accessPriceOf returns the price of accesses to a memory of so many pages.
func accessPriceOf(pages uint32, grows bool) accessPrice {
	switch {
	case grows || pages > pagesFar:
		return accessPrice{first: 40, next: 3, byte: 3, store: 8}
	case pages > pagesNear:
		return accessPrice{first: 14, next: 3, byte: 3, store: 8}
	}
	return accessPrice{first: 3, next: 3, byte: 2, store: 6}
}

// accessPriceIn returns the price of accesses in a module.
func accessPriceIn(m *gate.Module) accessPrice {
	memory, _ := m.Memory()
	if m.Grows() {
		return accessPriceOf(memory.Max, !memory.HasMax)
	}
	return accessPriceOf(memory.Min, false)
}

// maxLoadDepth is the most loads that a value is counted to wait for. A load that
// waits for more pays like the first of its kind.
const maxLoadDepth = 63

// loadDepths follows, through a piece of code without a branch, how many loads of
// the piece each value waits for. A value from before the piece waits for none.
type loadDepths struct {
	accessPrice
	stackPointers
	piece  uint32
	stack  []uint8 // of the operands that the piece has pushed
	locals []uint8
	since  []uint32 // the piece in which a local was assigned
	stored uint8    // the most of what was stored: any load may return it
	paid   uint64   // a bit for each number of loads that one has paid for
}

// flat reports whether it is all the same what a load waits for.
func (p accessPrice) flat() bool { return p.first == p.next }

// of returns what an access costs that waits for nothing.
func (p accessPrice) of(s shape) int64 {
	switch {
	case !s.wide:
		return p.byte
	case s.leaves == 0:
		return p.store
	}
	return p.next
}

// begin prepares for a function.
func (w *loadDepths) begin(m *gate.Module, b gate.Body, params int) {
	if w.flat() {
		return
	}
	if len(w.locals) < b.Locals {
		w.locals, w.since = make([]uint8, b.Locals), make([]uint32, b.Locals)
	}
	w.find(m, b, params)
	w.restart()
}

// restart begins a piece.
func (w *loadDepths) restart() {
	w.piece++
	w.stack, w.stored, w.paid = w.stack[:0], 0, 0
	w.recent = [3]gate.Instr{}
}

func (w *loadDepths) push(n uint8) { w.stack = append(w.stack, n) }

func (w *loadDepths) pop() uint8 {
	top := len(w.stack) - 1
	if top < 0 {
		return 0
	}
	n := w.stack[top]
	w.stack = w.stack[:top]
	return n
}

// step follows an instruction that takes and leaves so many values, and returns
// what it costs beside its price: if it is an access to memory, or moves the
// stack pointer.
func (w *loadDepths) step(in *gate.Instr, s shape) (cost int64) {
	if w.flat() {
		if s.access {
			return w.of(s)
		}
		return 0
	}
	switch in.Op {
	case gate.OpLocalGet:
		n := w.locals[in.X]
		if w.since[in.X] != w.piece {
			n = 0
		}
		w.push(n)
	case gate.OpLocalSet, gate.OpLocalTee:
		n := w.pop()
		w.locals[in.X], w.since[in.X] = n, w.piece
		if in.Op == gate.OpLocalTee {
			w.push(n)
		}
		if moves, ok := w.moved(in); ok && moves && w.local[in.X] {
			cost = costMove
		}
	case gate.OpGlobalGet:
		w.push(w.stored)
	case gate.OpGlobalSet:
		w.stored = max(w.stored, w.pop())
		cost = w.setGlobal(in)
	default:
		cost = w.compute(in, s)
	}
	w.remember(in)
	return cost
}

// setGlobal returns what it costs to set a global, perhaps the stack pointer.
func (w *loadDepths) setGlobal(in *gate.Instr) int64 {
	if in.X != 0 || !w.exists {
		return 0
	}
	switch moves, ok := w.moved(in); {
	case !ok:
		return w.first
	case moves:
		return costMove
	}
	return 0
}

// compute takes operands, and leaves results that wait for what they wait for.
func (w *loadDepths) compute(in *gate.Instr, s shape) int64 {
	var n uint8
	for range s.takes {
		n = max(n, w.pop())
	}
	var price int64
	switch {
	case s.access && s.leaves == 0:
		w.stored = max(w.stored, n)
		return w.of(s)
	case s.access && in.X < nearby && w.recent[2].Op == gate.OpLocalGet && w.local[w.recent[2].X]:
		price, n = w.next, max(n, w.stored)
	case s.access:
		price = w.load(n)
		n = max(min(n+1, maxLoadDepth), w.stored)
	}
	for range s.leaves {
		w.push(n)
	}
	return price
}

// load returns what a load costs whose address waits for n others.
func (w *loadDepths) load(n uint8) int64 {
	if n < maxLoadDepth && w.paid&(1<<n) != 0 {
		return w.next
	}
	w.paid |= 1 << n
	return w.first
}

// shape is what an instruction does to the stack.
type shape struct {
	takes, leaves uint8
	access        bool
	wide          bool // of more than a byte
}

// shapeOf returns the shape of an instruction that ends no piece.
func shapeOf(op gate.Op) shape {
	takes, leaves, ok := op.Stack()
	switch {
	case ok:
	case op == gate.OpSelect || op == gate.OpSelectT:
		takes, leaves = 3, 1
	case op == gate.OpDrop:
		takes, leaves = 1, 0
	case op == gate.OpRefNull || op == gate.OpRefFunc || op == gate.OpTableSize:
		takes, leaves = 0, 1
	case op == gate.OpRefIsNull || op == gate.OpTableGet:
		takes, leaves = 1, 1
	case op == gate.OpTableSet:
		takes, leaves = 2, 0
	}
	return shape{takes: uint8(takes), leaves: uint8(leaves), access: op.Access(), wide: op.Access() && op.Width() > 1}
}
