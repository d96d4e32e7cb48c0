package meter

import (
	"testing"

	"idlehost/host/internal/sandbox/gate"
)

// TestEveryOpcodeHasACost iterates what the gate lets in.
func TestEveryOpcodeHasACost(t *testing.T) {
	p := newPrice(&gate.Module{})
	free := map[gate.Op]bool{
		gate.OpUnreachable: true, gate.OpNop: true, gate.OpBlock: true, gate.OpLoop: true,
		gate.OpElse: true, gate.OpEnd: true, gate.OpDrop: true,
		gate.OpLocalGet: true, gate.OpLocalSet: true, gate.OpLocalTee: true,
		gate.OpI32Const: true, gate.OpI64Const: true, gate.OpF32Const: true, gate.OpF64Const: true,
	}
	ops := gate.Ops()
	for _, op := range ops {
		c, ok := cost(op)
		if !ok {
			t.Errorf("%v (%#x) has no cost", op, uint16(op))
		}
		if (c == 0) != free[op] || c < 0 {
			t.Errorf("%v costs %d", op, c)
		}
		if p.of(op) != c {
			t.Errorf("%v is priced %d, costs %d", op, p.of(op), c)
		}
	}
	if len(ops) < 190 {
		t.Errorf("only %d opcodes", len(ops))
	}
}

// TestSizes: what takes an operand for its size pays for it.
func TestSizes(t *testing.T) {
	for _, op := range []gate.Op{
		gate.OpMemoryGrow, gate.OpMemoryFill, gate.OpMemoryCopy, gate.OpMemoryInit,
		gate.OpTableGrow, gate.OpTableFill, gate.OpTableCopy, gate.OpTableInit,
	} {
		r, ok := sized(op)
		if !ok || r.up > 11 || r.down > 4 || r.page != (op == gate.OpMemoryGrow) {
			t.Errorf("%v pays %+v, want shifts of at most 11 up and 4 down, and pages for memory.grow only", op, r)
		}
	}
}
