package meter

import (
	"encoding/binary"

	"idlehost/host/internal/sandbox/gate"
)

// Stack is how many values of 8 bytes the frames of a call may hold at once,
// as they are estimated: 768 KiB. wazero doubles its stack where it grows, so
// that one instance has less than twice that. Fuel alone cannot bound the
// stack: what a frame costs in time is far less than what it takes in memory,
// and memory that is touched first takes a millisecond a MiB. A guest built by
// Go has needed less than 64 Ki values.
const Stack = 96 << 10

const (
	// frameBase stands for what every frame has: return address, saved
	// registers, alignment.
	frameBase = 24
	// leafFrame is up to which a function that calls none is let in for
	// nothing: only one such frame is there at a time.
	leafFrame = 4096
	// implied is how many variables every block may carry beside the locals:
	// the memory's base and length, fuel and stack.
	implied = 4
)

// slots returns how many values of 8 bytes a frame holds at most. wazero gives
// every value that it has to keep a slot of its own, and shares none: so it is
// what the code defines, and what meets at the begin and end of blocks. The
// gate lets in no values of 16 bytes.
func slots(b gate.Body, t gate.FuncType, globals int) int64 {
	w := b.Weight
	carried := min(b.Locals+globals+implied, w.Instrs+implied)
	return frameBase + int64(len(t.Params)+len(t.Results)+b.Locals+w.Values) + int64(w.Blocks)*int64(carried)
}

// frame is what a function takes of the stack while it runs.
type frame struct {
	slots int64
	block []byte // the type of a block with the function's results; nil: the frame is free
}

// frames measures the functions, and adds the types of blocks that they need.
func (a *moduleWriter) frames() []frame {
	bodies := a.module.Bodies()
	all := make([]frame, len(bodies))
	for i, b := range bodies {
		t := a.module.TypeOf(a.module.ImportedFuncs() + i)
		all[i].slots = slots(b, t, a.module.MutableGlobals())
		if b.Weight.Calls > 0 || all[i].slots > leafFrame {
			all[i].block = a.blockType(t.Results)
		}
	}
	return all
}

// blockType returns the type of a block without parameters.
func (a *moduleWriter) blockType(results []gate.ValType) []byte {
	switch len(results) {
	case 0:
		return []byte{opVoid}
	case 1:
		return []byte{byte(results[0])}
	}
	key := make([]byte, len(results))
	for i, r := range results {
		key[i] = byte(r)
	}
	at, ok := a.blocks[string(key)]
	if !ok {
		at = len(a.module.Types()) + len(a.types)
		a.blocks[string(key)] = at
		entry := binary.AppendUvarint([]byte{0x60, 0}, uint64(len(key)))
		a.types = append(a.types, append(entry, key...))
	}
	return signed(nil, int64(at))
}

// enter takes a frame from the stack, or leaves no fuel and traps. The code
// that follows is in a block, which all of it leaves by its end or by a
// branch: there, leave gives the frame back.
func (w *codeWriter) enter(out []byte, f frame) []byte {
	out = append(append(out, opGlobalGet), w.stack...)
	out = signed(append(out, opI64Const), f.slots)
	out = append(append(out, opI64Sub, opGlobalSet), w.stack...)
	out = append(append(out, opGlobalGet), w.stack...)
	out = append(out, opI64Const, 0, opI64LtS, opIf, opVoid)
	out = append(signed(append(out, opI64Const), -1), opGlobalSet)
	out = append(append(out, w.fuel...), opTrap, opEnd)
	return append(append(out, opBlock), f.block...)
}

func (w *codeWriter) leave(out []byte, f frame) []byte {
	out = append(append(out, opGlobalGet), w.stack...)
	out = signed(append(out, opI64Const), f.slots)
	out = append(append(out, opI64Add, opGlobalSet), w.stack...)
	return append(out, opEnd)
}
