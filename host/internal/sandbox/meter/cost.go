package meter

import "idlehost/host/internal/sandbox/gate"

// One unit of fuel is about one simple instruction, 0.3 ns, and at most 5 ns on
// a server of 2020s make, whatever the code: TestPrices and TestPricesOfGraphs
// measure it. Costs are rather too high than too low.
const (
	costSimple   = 1
	costTable    = 6   // an entry, which may be in no near cache, and what it is checked by
	costDivide   = 4   // division of i32 and floats
	costDivide64 = 8   // division of i64, square root
	costSelect   = 2   // of floats: a branch
	costConvert  = 3   // conversions that check their range
	costAssist   = 11  // more: where an operand or a result is subnormal
	costBranch   = 8   // to one of many: often predicted wrongly
	costCall     = 2   // beside what the called function charges for its frame
	costIndirect = 6   // with the checks of the table, the entry and its type
	costImported = 96  // into the host and back: 30 to 70 ns
	costSegment  = 8   // dropping a segment
	costBulk     = 40  // beside what a bulk instruction pays for its size
	costRef      = 192 // the host makes the reference
	costGrow     = 128 // beside what growing pays for the size
)

// cost returns what an instruction costs before it runs, without what its
// operands add; false for an instruction that this package does not know.
func cost(op gate.Op) (int64, bool) {
	switch {
	case op.Access():
		return accessPriceOf(0, false).of(shapeOf(op)), true
	case assisted(op):
		return numeric(op) + costAssist, true
	case op >= 0x45 && op <= 0xbf:
		return numeric(op), true
	case op >= 0xc0 && op <= 0xc4: // sign extension
		return costSimple, true
	case op >= 0xfc00 && op <= 0xfc07: // saturating conversions
		return costConvert, true
	}
	c, ok := irregularCosts()[op]
	return c, ok
}

func numeric(op gate.Op) int64 {
	switch {
	case op >= 0x6d && op <= 0x70: // i32 div, rem
		return costDivide
	case op >= 0x7f && op <= 0x82: // i64 div, rem
		return costDivide64
	case op == 0x91, op == 0x9f: // sqrt
		return costDivide64
	case op == 0x95, op == 0xa3: // float div
		return costDivide
	case op >= 0xa8 && op <= 0xab, op >= 0xae && op <= 0xb1: // trunc
		return costConvert
	case op == 0xb5, op == 0xba: // convert_i64_u
		return costConvert
	case op >= 0x96 && op <= 0x98, op >= 0xa4 && op <= 0xa6: // min, max, copysign
		return costConvert
	}
	return costSimple
}

// assisted reports whether a processor may run microcode for an instruction whose
// operand or result is subnormal, as Intel's do: for 130 to 150 cycles, 35 to 41 ns,
// beside the instruction's own. They need none for sums of subnormal numbers and for
// conversions of width on the one that was measured, but others may. Comparing,
// rounding, minimum and maximum, and conversions from and to integers need none.
func assisted(op gate.Op) bool {
	switch op {
	case 0x91, 0x92, 0x93, 0x94, 0x95, // f32: sqrt, add, sub, mul, div
		0x9f, 0xa0, 0xa1, 0xa2, 0xa3, // f64
		0xb6, 0xbb: // demote, promote
		return true
	}
	return false
}

// others returns the costs of the instructions that are not computing.
func irregularCosts() map[gate.Op]int64 {
	return map[gate.Op]int64{
		// These leave no code behind, or end it. Below, local.get and constants
		// only name a value: the instruction that uses it pays.
		gate.OpUnreachable: 0, gate.OpNop: 0, gate.OpBlock: 0, gate.OpLoop: 0,
		gate.OpElse: 0, gate.OpEnd: 0, gate.OpDrop: 0,

		gate.OpIf: costSimple, gate.OpBr: costSimple, gate.OpBrIf: costSimple,
		gate.OpBrTable: costBranch, gate.OpReturn: costSimple,
		gate.OpCall: costCall, gate.OpCallIndirect: costIndirect,
		gate.OpSelect: costSelect, gate.OpSelectT: costSelect,
		gate.OpLocalGet: 0, gate.OpLocalSet: 0, gate.OpLocalTee: 0,
		gate.OpGlobalGet: costSimple, gate.OpGlobalSet: costSimple,
		gate.OpTableGet: costTable, gate.OpTableSet: costTable,
		gate.OpMemorySize: costSimple, gate.OpMemoryGrow: costGrow,
		gate.OpI32Const: 0, gate.OpI64Const: 0, gate.OpF32Const: 0, gate.OpF64Const: 0,
		gate.OpRefNull: costSimple, gate.OpRefIsNull: costSimple, gate.OpRefFunc: costRef,

		gate.OpMemoryInit: costBulk, gate.OpMemoryCopy: costBulk, gate.OpMemoryFill: costBulk,
		gate.OpTableInit: costBulk, gate.OpTableCopy: costBulk, gate.OpTableFill: costBulk,
		gate.OpTableGrow: costGrow, gate.OpTableSize: costSimple,
		gate.OpDataDrop: costSegment, gate.OpElemDrop: costSegment,
	}
}

// costPage is what a page of memory costs that was granted: 64 KiB to be
// faulted in and zeroed, 25 to 40 us on a virtual machine. A grant pays for a page
// more than it has, since the host may move the memory. It is charged afterwards,
// since a refusal costs nothing; a host's cap on memory bounds how much one instance
// can get before it pays.
const costPage = 12_000

// rate is what an instruction pays for its size, the operand on top of the
// stack: size << up >> down units of fuel.
type rate struct {
	up, down uint8
	page     bool // costPage for each that was granted
}

// sized returns the rate of an instruction whose work depends on an operand.
func sized(op gate.Op) (rate, bool) {
	switch op {
	case gate.OpMemoryInit, gate.OpMemoryCopy, gate.OpMemoryFill:
		return rate{down: 3}, true // 8 bytes, which may be the first in their page
	case gate.OpTableInit, gate.OpTableCopy, gate.OpTableFill:
		return rate{up: 1}, true // an entry
	case gate.OpTableGrow:
		return rate{up: 4}, true // an entry, and its copies
	case gate.OpMemoryGrow:
		return rate{page: true}, true
	}
	return rate{}, false
}

// price holds the costs by opcode, so that a body is priced without a map.
type price struct {
	plain  [256]int64
	misc   [32]int64
	shapes [256]shape
	within [256]bool // a piece of code without a branch goes on behind it
}

// Beyond as many branches and calls, a processor does not remember where all of
// them go, nor has their code in the caches of a core.
const (
	branchesKnown = 8192
	costFarBranch = 8 // more
	costFarCall   = 6 // more: there and back
)

// farIn reports whether a module has more branches than a processor knows.
func farIn(m *gate.Module) bool {
	n := 0
	for _, b := range m.Bodies() {
		n += b.Weight.Branches + 2*b.Weight.Calls
	}
	return n > branchesKnown
}

// callsIn returns what a call costs more in a module of so many functions, of
// which the next may be in no cache.
func callsIn(functions int) int64 { return int64(max(0, min(functions, 1<<14)-1<<11)) >> 9 }

// indirectIn returns what an indirect call costs more in a module of so many
// functions: each entry, and what it points to, may be out of the caches.
func indirectIn(functions int) int64 { return int64(min(functions, 1<<14))>>7 + callsIn(functions) }

// hostTypes tells by the index of a type whether an indirect call of it may go to
// a function of the host's: there are references to one of that type.
func hostTypes(m *gate.Module) []bool {
	own := map[string]bool{}
	for i := range m.ImportedFuncs() {
		if m.Referenced(i) {
			own[m.TypeOf(i).String()] = true
		}
	}
	types := m.Types()
	hosts := make([]bool, len(types))
	for i, t := range types {
		hosts[i] = len(own) > 0 && own[t.String()]
	}
	return hosts
}

func newPrice(m *gate.Module) *price {
	var p price
	for _, op := range gate.Ops() {
		c, _ := cost(op)
		if op < 256 {
			p.plain[op] = c
			p.shapes[op], p.within[op] = shapeOf(op), op > gate.OpCallIndirect && op != gate.OpMemoryGrow || op == gate.OpNop
		} else {
			p.misc[op&31] = c
		}
	}
	if farIn(m) {
		p.addFar()
	}
	p.plain[gate.OpCall] += callsIn(len(m.Bodies()))
	p.plain[gate.OpCallIndirect] += indirectIn(len(m.Bodies()))
	return &p
}

func (p *price) addFar() {
	for _, op := range []gate.Op{gate.OpIf, gate.OpBr, gate.OpBrIf, gate.OpBrTable} {
		p.plain[op] += costFarBranch
	}
	p.plain[gate.OpCall] += costFarCall
	p.plain[gate.OpCallIndirect] += costFarCall
}

func (p *price) of(op gate.Op) int64 {
	if op < 256 {
		return p.plain[op]
	}
	return p.misc[op&31]
}

// shapeOf returns what an instruction does to the stack; false for one that
// ends a piece of code without a branch.
func (p *price) shapeOf(op gate.Op) (shape, bool) {
	if op < 256 {
		return p.shapes[op], p.within[op]
	}
	return shape{}, false
}
