package hostile

import (
	"bytes"
	"encoding/binary"
	"slices"

	w "idlehost/host/internal/sandbox/wasmtest"
)

// Numbers of the sections.
const (
	secCustom    = 0
	secType      = 1
	secImport    = 2
	secFunction  = 3
	secTable     = 4
	secMemory    = 5
	secGlobal    = 6
	secExport    = 7
	secStart     = 8
	secElement   = 9
	secCode      = 10
	secData      = 11
	secDataCount = 12
)

const (
	most     = 1<<32 - 1 // the largest count that the format can say
	funcRef  = 0x70
	endOp    = 0x0b
	voidType = 0x40
)

func header() []byte { return []byte("\x00asm\x01\x00\x00\x00") }

// u encodes an unsigned number.
func u(v uint64) []byte { return binary.AppendUvarint(nil, v) }

// vec encodes a count and what it counts.
func vec(items ...[]byte) []byte {
	return slices.Concat(u(uint64(len(items))), slices.Concat(items...))
}

// str encodes a name.
func str[T string | []byte](s T) []byte { return slices.Concat(u(uint64(len(s))), []byte(s)) }

// section encodes a section with the right length.
func section(id byte, content ...[]byte) []byte {
	return slices.Concat([]byte{id}, str(slices.Concat(content...)))
}

// raw is a module of nothing but the given sections.
func raw(sections ...[]byte) func() []byte {
	return func() []byte { return slices.Concat(header(), slices.Concat(sections...)) }
}

// guest is a right policy with some functions replaced or added.
func guest(funcs ...w.Func) func() []byte {
	return func() []byte { return w.Guest(funcs...).Bytes() }
}

// splice puts a section in the place of a module's own, or where it belongs.
func splice(wasm []byte, id byte, content ...[]byte) []byte {
	out := slices.Clone(wasm[:8])
	placed := false
	for rest := wasm[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		end := 1 + n + int(size)
		if !placed && rank(rest[0]) >= rank(id) {
			out, placed = append(out, section(id, content...)...), true
		}
		if rest[0] != id {
			out = append(out, rest[:end]...)
		}
		rest = rest[end:]
	}
	if !placed {
		out = append(out, section(id, content...)...)
	}
	return out
}

// rank orders sections as a module must.
func rank(id byte) int {
	return bytes.IndexByte([]byte{
		secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secStart,
		secElement, secDataCount, secCode, secData,
	}, id)
}

// spliced is a policy with a section of another content.
func spliced(m w.Module, id byte, content ...[]byte) func() []byte {
	return func() []byte { return splice(m.Bytes(), id, content...) }
}

// accept is on_accept with code before a right verdict.
func accept(code ...[]byte) w.Func {
	return w.Hook("on_accept", w.Code(code...), w.Const64(w.Extend60s))
}

// timeout is on_timeout with code before a right verdict.
func timeout(code ...[]byte) w.Func {
	return w.Hook("on_timeout", w.Code(code...), w.Const64(w.Extend60s))
}

// procedure is a function of nothing that returns nothing.
func procedure(export string, code ...[]byte) w.Func {
	return w.Func{Export: export, Body: w.Code(code...)}
}

// op is code byte by byte.
func op(b ...byte) []byte { return b }

// forever repeats code without an end.
func forever(code ...[]byte) []byte {
	return slices.Concat(op(0x03, voidType), w.Code(code...), op(0x0c, 0, endOp))
}

// times repeats code n times; local is an i32 for the count.
//
//	(loop (code) (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
func times(n int32, local uint32, code ...[]byte) []byte {
	return slices.Concat(w.Const32(n), op(0x21), u(uint64(local)),
		op(0x03, voidType), w.Code(code...),
		w.LocalGet(local), w.Const32(1), op(0x6b, 0x22), u(uint64(local)), op(0x0d, 0, endOp))
}

// misc is an instruction behind the prefix 0xfc, with its immediates.
func misc(sub byte, imm ...byte) []byte { return append([]byte{0xfc, sub}, imm...) }
