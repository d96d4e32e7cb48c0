package tck

import (
	"encoding/binary"
	"maps"
	"slices"
)

// A Wasm module, written byte by byte, so that the kit is tested without any
// toolchain.

const (
	tI32 = 0x7f
	tI64 = 0x7e
)

// function is a body and what is around it.
type function struct {
	params, results []byte
	body            []byte // without locals and the final end
}

// build describes a module with one memory; functions are exported by name.
type build struct {
	pages   uint64
	noMem   bool
	imports []string // "module.name" of functions (i32, i32) -> i32
	funcs   map[string]function
}

// good returns a module that obeys every rule: it holds connections for as
// many milliseconds as they have carried requests, plus a learned number.
func good() *build {
	returnI64 := []byte{tI64}
	return &build{pages: 1, funcs: map[string]function{
		"abi_version":  {results: []byte{tI32}, body: i32c(1)},
		"event_buffer": {results: returnI64, body: i64c(1680<<32 | 1024)},
		"on_accept":    {results: returnI64, body: cat(learn(4096), i64c(2<<40))},
		"on_timeout": {results: returnI64, body: cat(
			i32c(1024+88), []byte{0x35, 2, 0}, // requests, as i64
			i32c(4096), []byte{0x35, 2, 0, 0x7c}, // plus what was learned
			i64c(1<<32-1), []byte{0x83}, // in 32 bits
			i64c(1<<32), []byte{0x84})}, // extend
		"on_close": {},
		"configure_buffer": {params: []byte{tI32}, results: []byte{tI32}, body: cat(
			[]byte{0x20, 0}, i32c(1000), []byte{0x4b, 0x04, tI32}, i32c(0), []byte{0x05}, i32c(8192), []byte{0x0b})},
		"configure":    {params: []byte{tI32}, results: []byte{tI32}, body: []byte{0x20, 0}}, // refuses all but nothing
		"state_region": {results: returnI64, body: i64c(64<<32 | 4096)},
		"state_format": {results: returnI64, body: i64c(7)},
	}}
}

// learn adds one to the i32 at addr.
func learn(addr uint64) []byte {
	return cat(i32c(addr), i32c(addr), []byte{0x28, 2, 0}, i32c(1), []byte{0x6a, 0x36, 2, 0})
}

func (b *build) bytes() []byte {
	var types, imports, indices, exports, code [][]byte
	typeOf := func(params, results []byte) {
		types = append(types, cat([]byte{0x60}, vec(params), vec(results)))
	}
	for n, name := range b.imports {
		typeOf([]byte{tI32, tI32}, []byte{tI32})
		module, field := cut(name)
		imports = append(imports, cat(vec(module), vec(field), []byte{0}, leb(uint64(n))))
	}
	for _, name := range slices.Sorted(maps.Keys(b.funcs)) {
		f := b.funcs[name]
		at := leb(uint64(len(types)))
		typeOf(f.params, f.results)
		indices = append(indices, at)
		exports = append(exports, cat(vec([]byte(name)), []byte{0}, at))
		code = append(code, vec(cat([]byte{0}, f.body, []byte{0x0b})))
	}
	if !b.noMem {
		exports = append(exports, cat(vec([]byte("memory")), []byte{2, 0}))
	}
	return cat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types), section(2, imports), section(3, indices),
		section(5, [][]byte{cat([]byte{0}, leb(b.pages))}),
		section(7, exports), section(10, code))
}

func section(id byte, items [][]byte) []byte {
	if len(items) == 0 {
		return nil
	}
	return cat([]byte{id}, vec(cat(append([][]byte{leb(uint64(len(items)))}, items...)...)))
}

func cut(name string) (module, field []byte) {
	at := slices.Index([]byte(name), '.')
	return []byte(name[:at]), []byte(name[at+1:])
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func vec(b []byte) []byte { return cat(leb(uint64(len(b))), b) }

func leb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// i32c and i64c push a constant; its signed LEB128 has a spare bit on top.
func i32c(n uint64) []byte { return cat([]byte{0x41}, sleb(int64(int32(n)))) }

func i64c(n uint64) []byte { return cat([]byte{0x42}, sleb(int64(n))) }

func sleb(n int64) (b []byte) {
	for {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
