package engine

import (
	"sync"

	"github.com/tetratelabs/wazero/api"
)

// caller calls the entry of any instance in its hall. It is a guest of its own,
// written here, and has the only call engine of wazero's that runs policies:
// that one's stack of 10 KiB and more would else be there for each function of
// each instance. It is used by one goroutine at a time.
type caller struct {
	mod   api.Module
	enter api.Function
	stack [4]uint64
	spent int64 // fuel since enter was made
}

// callerFuel is the fuel after which a caller gets a fresh stack, 10 ms and
// more of running: what one deep recursion made it grow to is not kept forever.
const callerFuel = 1 << 25

// call calls the entry that ref names, with w for the host's functions. The
// error is a trap.
func (c *caller) call(w *world, ref uint64, o op, param uint64, fuel int64) (result uint64, left int64, err error) {
	c.stack = [4]uint64{ref, uint64(o), param, uint64(fuel)}
	if err := c.enter.CallWithStack(w, c.stack[:]); err != nil {
		c.renew()
		return 0, 0, err
	}
	result, left = c.stack[0], int64(c.stack[1])
	if c.spent += fuel - left; c.spent > callerFuel {
		c.renew()
	}
	return result, left, nil
}

// renew lets go of the stack.
func (c *caller) renew() {
	c.enter, c.spent = c.mod.ExportedFunction(exportCall), 0
}

// desk is a place for a caller. Desks lie on cache lines of their own.
type desk struct {
	mu   sync.Mutex // held while the caller calls; guards the following field
	c    *caller    // nil until the first call
	once bool       // it is not the hall's
	_    [104]byte
}

const exportCall = "call"

// callerModule is (func (export "call") (param funcref i32 i32 i64) (result
// i64 i64)), which puts the reference into its table and calls it there: the
// call checks that the function has the type of an entry.
func callerModule() []byte {
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
