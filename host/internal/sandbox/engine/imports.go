package engine

import (
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

const (
	moduleHost = "idlehost"
	moduleWASI = "wasi_snapshot_preview1"
	moduleEnv  = "env" // AssemblyScript's
)

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// hostFunc is a function that a guest may import. call may panic with an
// error: that is a trap.
type hostFunc struct {
	params, results []api.ValueType
	call            func(w *callContext, mem api.Memory, stack []uint64)
}

// imports are functions of the host by module and name.
type imports map[string]map[string]hostFunc

// hostFuncs returns everything that a guest may import.
func hostFuncs() imports {
	return imports{
		moduleHost: {"log": {params: []api.ValueType{i32, i32, i32}, call: hostLog}},
		moduleWASI: wasiFuncs(),
		moduleEnv:  {"abort": {params: []api.ValueType{i32, i32, i32, i32}, call: scriptAbort}},
	}
}

// hostLog is idlehost.log(level, address, length).
func hostLog(w *callContext, mem api.Memory, stack []uint64) {
	level, addr, n := int32(stack[0]), uint32(stack[1]), uint32(stack[2])
	w.fuel.charge(costLine + costLineByte*int64(min(n, lineBytes)))
	text, ok := mem.Read(addr, n) // a view, whatever its size
	if !ok {
		panic(fmt.Errorf("log: %d bytes at %d are outside the memory of %d", n, addr, mem.Size()))
	}
	w.log.add(w.nowMs, int(min(max(level, 0), 3)), text)
}

// scriptAbort is abort(message, file, line, column), which AssemblyScript calls
// where other languages execute unreachable. Its strings are UTF-16; their length in
// bytes precedes them.
func scriptAbort(_ *callContext, mem api.Memory, stack []uint64) {
	panic(fmt.Errorf("abort: %s at %s:%d:%d", scriptString(mem, uint32(stack[0])),
		scriptString(mem, uint32(stack[1])), uint32(stack[2]), uint32(stack[3])))
}

func scriptString(mem api.Memory, addr uint32) string {
	if addr < 4 {
		return "?"
	}
	n, ok := mem.ReadUint32Le(addr - 4)
	if !ok {
		return "?"
	}
	raw, ok := mem.Read(addr, min(n, lineBytes)&^1)
	if !ok {
		return "?"
	}
	var b strings.Builder
	for i := 0; i < len(raw); i += 2 {
		b.WriteRune(rune(raw[i]) | rune(raw[i+1])<<8)
	}
	return b.String()
}
