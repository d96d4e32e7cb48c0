package engine

import (
	"sync"

	"github.com/tetratelabs/wazero/api"
)

// trampoline is a Wasm guest, written here, that calls the entry of any instance
// in its shared runtime. It has the only call engine of wazero's that runs
// policies: that one's stack of 10 KiB and more would else be there for each
// function of each instance. It is used by one goroutine at a time.
type trampoline struct {
	mod   api.Module
	enter api.Function
	stack [4]uint64
	spent int64 // fuel since enter was made
}

// trampolineFuel is the fuel after which a trampoline gets a fresh stack, 10 ms
// and more of running: what one deep recursion made it grow to is not kept
// forever.
const trampolineFuel = 1 << 25

// call calls the entry that ref names, with w for the host's functions. The
// error is a trap.
func (t *trampoline) call(w *callContext, ref uint64, o op, param uint64, fuel int64) (result uint64, left int64, err error) {
	t.stack = [4]uint64{ref, uint64(o), param, uint64(fuel)}
	if err := t.enter.CallWithStack(w, t.stack[:]); err != nil {
		t.resetStack()
		return 0, 0, err
	}
	result, left = t.stack[0], int64(t.stack[1])
	if t.spent += fuel - left; t.spent > trampolineFuel {
		t.resetStack()
	}
	return result, left, nil
}

// resetStack drops the stack; the next call makes a new one.
func (t *trampoline) resetStack() {
	t.enter, t.spent = t.mod.ExportedFunction(exportCall), 0
}

// trampolineSlot holds a trampoline for one call at a time. Slots lie on cache
// lines of their own.
type trampolineSlot struct {
	mu         sync.Mutex  // held while the trampoline calls; guards the following field
	trampoline *trampoline // nil until the first call
	once       bool        // it is not the shared runtime's
	_          [104]byte
}

const exportCall = "call"

// trampolineModule is (func (export "call") (param funcref i32 i32 i64) (result
// i64 i64)), which puts the reference into its table and calls it there: the
// call checks that the function has the type of an entry.
func trampolineModule() []byte {
	section := func(id byte, content ...byte) []byte { return append([]byte{id, byte(len(content))}, content...) }
	take := append([]byte{1}, entryType()...)
	take[0] = 2
	take = append(take, codeFunc, 4, codeFuncref, codeI32, codeI32, codeI64, 2, codeI64, codeI64)
	code := []byte{0,
		codeConst32, 0, codeLocalGet, 0, codeTableSet, 0,
		codeLocalGet, 1, codeLocalGet, 2, codeLocalGet, 3,
		codeConst32, 0, codeIndirect, 0, 0, codeEnd}
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = append(out, section(sectionType, take...)...)
	out = append(out, section(sectionFunction, 1, 1)...)
	out = append(out, section(4, 1, codeFuncref, 1, 1, 1)...)
	out = append(out, section(sectionExport, append(append([]byte{1, byte(len(exportCall))}, exportCall...), 0, 0)...)...)
	return append(out, section(sectionCode, append([]byte{1, byte(len(code))}, code...)...)...)
}
