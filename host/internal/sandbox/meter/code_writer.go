package meter

import (
	"encoding/binary"

	"idlehost/host/internal/sandbox/gate"
)

// Opcodes that are written.
const (
	opBlock      = 0x02
	opIf         = 0x04
	opBr         = 0x0c
	opEnd        = 0x0b
	opVoid       = 0x40
	opLocalGet   = 0x20
	opLocalTee   = 0x22
	opI32Const   = 0x41
	opI32Ne      = 0x47
	opI32Add     = 0x6a
	opLocalSet   = 0x21
	opGlobalGet  = 0x23
	opGlobalSet  = 0x24
	opI64Const   = 0x42
	opMemorySize = 0x3f
	opMemoryGrow = 0x40
	opI32Sub     = 0x6b
	opI64Mul     = 0x7e
	opI64LtS     = 0x53
	opI64Add     = 0x7c
	opI64Sub     = 0x7d
	opI64Shl     = 0x86
	opI64ShrU    = 0x88
	opExtendU    = 0xad
	opTrap       = 0x00
)

// codeWriter writes the code of functions.
type codeWriter struct {
	fuel  []byte // the encoded index of the fuel global
	stack []byte // that of the global that says how much of the stack is left
}

func (w *codeWriter) get(out []byte) []byte { return append(append(out, opGlobalGet), w.fuel...) }

// take subtracts what is on top of fuel, stores it, and traps if it is
// negative. Reading the global back costs nothing: wazero keeps its value.
func (w *codeWriter) take(out []byte) []byte {
	out = append(append(out, opI64Sub, opGlobalSet), w.fuel...)
	out = append(w.get(out), opI64Const, 0, opI64LtS)
	return append(out, opIf, opVoid, opTrap, opEnd)
}

func (w *codeWriter) charge(out []byte, cost int64) []byte {
	out = append(w.get(out), opI64Const)
	return w.take(signed(out, cost))
}

// chargeSize charges by the i32 on top of the stack, and leaves it there.
// It is extended without a sign, and shifted left by at most 11: fuel cannot
// wrap.
func (w *codeWriter) chargeSize(out []byte, local uint32, r rate) []byte {
	index := binary.AppendUvarint(nil, uint64(local))
	out = append(append(out, opLocalSet), index...)
	out = append(append(w.get(out), opLocalGet), index...)
	out = append(out, opExtendU)
	if r.up > 0 {
		out = append(out, opI64Const, r.up, opI64Shl)
	}
	if r.down > 0 {
		out = append(out, opI64Const, r.down, opI64ShrU)
	}
	return append(append(w.take(out), opLocalGet), index...)
}

// growMemory stands for memory.grow, and charges for the pages that were
// granted, and one more if there are any. The result is on top of the stack.
func (w *codeWriter) growMemory(out []byte, local uint32) []byte {
	index := binary.AppendUvarint(nil, uint64(local))
	out = append(append(out, opMemorySize, 0, opLocalSet), index...)
	out = append(out, opMemoryGrow, 0)
	out = append(w.get(out), opMemorySize, 0, opLocalGet)
	out = append(append(append(out, index...), opI32Sub, opLocalTee), index...)
	out = append(append(append(out, opLocalGet), index...), opI32Const, 0, opI32Ne, opI32Add, opExtendU)
	out = append(signed(append(out, opI64Const), costPage), opI64Mul)
	return w.take(out)
}

// body writes a function's locals and code with the charges of a plan, and of
// its frame.
func (w *codeWriter) body(out, wasm []byte, b gate.Body, p *plan, f frame) []byte {
	locals := wasm[b.Start:b.Code]
	if p.sized {
		n, size := binary.Uvarint(locals)
		out = append(binary.AppendUvarint(out, n+1), locals[size:]...)
		out = append(out, 1, byte(gate.I32))
	} else {
		out = append(out, locals...)
	}
	if f.block != nil {
		out = w.enter(out, f)
	}
	from := b.Code
	for _, ins := range p.insertions {
		if ins.isReturn && f.block == nil {
			continue
		}
		var cost int64
		if ins.region != unreachable {
			r := &p.regions[ins.region]
			if cost = r.cost + r.ahead; cost == 0 {
				continue
			}
		}
		out = append(out, wasm[from:ins.at]...)
		from = ins.at
		switch {
		case ins.isReturn:
			out, from = binary.AppendUvarint(append(out, opBr), uint64(ins.label)), from+1
		case ins.region != unreachable:
			out = w.charge(out, cost)
		case ins.rate.page:
			out, from = w.growMemory(out, uint32(b.Locals)), from+2
		default:
			out = w.chargeSize(out, uint32(b.Locals), ins.rate)
		}
	}
	out = append(out, wasm[from:b.End]...)
	if f.block != nil {
		out = w.leave(out, f)
	}
	return out
}

// signed appends a signed LEB128 integer.
func signed(out []byte, v int64) []byte {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func name(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}
