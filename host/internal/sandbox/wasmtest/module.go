// Package wasmtest builds small WebAssembly modules byte by byte, right and
// wrong ones, for tests that must not depend on a toolchain. Only tests
// import it.
package wasmtest

import "slices"

// Value types.
const (
	I32 byte = 0x7f
	I64 byte = 0x7e
	F64 byte = 0x7c
)

// Import is an imported function.
type Import struct {
	Module, Name    string
	Params, Results []byte
}

// Func is a function. Body is its code without the closing end; Locals are
// i32 variables behind the parameters. An Export of "" exports nothing.
type Func struct {
	Export          string
	Params, Results []byte
	Locals          uint32
	Body            []byte
}

// Data is what memory begins with at Offset.
type Data struct {
	Offset uint32
	Bytes  []byte
}

// Module is a module with at most one memory, exported under MemoryName.
type Module struct {
	Imports    []Import
	Funcs      []Func
	Pages      uint32 // of memory
	MaxPages   uint32 // 0: no maximum
	MemoryName string // "": not exported
	NoMemory   bool
	Globals    []int64 // mutable i64 globals
	Data       []Data
}

// Bytes encodes the module. Function indices count the imports first.
func (m Module) Bytes() []byte {
	var types, imports, funcs, exports, code [][]byte
	typeOf := func(params, results []byte) []byte {
		t := slices.Concat([]byte{0x60}, vector(params), vector(results))
		i := slices.IndexFunc(types, func(u []byte) bool { return slices.Equal(t, u) })
		if i < 0 {
			i, types = len(types), append(types, t)
		}
		return uleb(uint64(i))
	}
	for _, f := range m.Imports {
		imports = append(imports, slices.Concat(name(f.Module), name(f.Name), []byte{0}, typeOf(f.Params, f.Results)))
	}
	for i, f := range m.Funcs {
		funcs = append(funcs, typeOf(f.Params, f.Results))
		if f.Export != "" {
			exports = append(exports, slices.Concat(name(f.Export), []byte{0}, uleb(uint64(len(m.Imports)+i))))
		}
		body := slices.Concat([]byte{1}, uleb(uint64(f.Locals)), []byte{I32}, f.Body, []byte{0x0b})
		code = append(code, slices.Concat(uleb(uint64(len(body))), body))
	}
	if !m.NoMemory && m.MemoryName != "" {
		exports = append(exports, slices.Concat(name(m.MemoryName), []byte{2, 0}))
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types), section(2, imports), section(3, funcs), section(5, m.memory()),
		section(6, m.globals()), section(7, exports), section(10, code), section(11, m.data()))
}

func (m Module) memory() [][]byte {
	if m.NoMemory {
		return nil
	}
	if m.MaxPages == 0 {
		return [][]byte{slices.Concat([]byte{0}, uleb(uint64(m.Pages)))}
	}
	return [][]byte{slices.Concat([]byte{1}, uleb(uint64(m.Pages)), uleb(uint64(m.MaxPages)))}
}

func (m Module) globals() (items [][]byte) {
	for _, g := range m.Globals {
		items = append(items, slices.Concat([]byte{I64, 1}, Const64(g), []byte{0x0b}))
	}
	return items
}

func (m Module) data() (items [][]byte) {
	for _, d := range m.Data {
		items = append(items, slices.Concat([]byte{0}, Const32(int32(d.Offset)), []byte{0x0b}, vector(d.Bytes)))
	}
	return items
}

// section encodes a section of items; none, no section.
func section(id byte, items [][]byte) []byte {
	if len(items) == 0 {
		return nil
	}
	body := slices.Concat(uleb(uint64(len(items))), slices.Concat(items...))
	return slices.Concat([]byte{id}, uleb(uint64(len(body))), body)
}

func vector(b []byte) []byte { return slices.Concat(uleb(uint64(len(b))), b) }
func name(s string) []byte   { return vector([]byte(s)) }
