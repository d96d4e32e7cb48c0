package engine

import (
	"encoding/binary"
	"errors"

	"idlehost/host/internal/sandbox/gate"
)

// op is one of the functions by which the host calls a guest. The kinds of
// questions come first, in their order.
type op uint32

const (
	opAccept op = iota
	opTimeout
	opClose
	opVersion
	opEventBuffer
	opConfigureBuffer
	opConfigure
	opStateRegion
	opStateFormat
	opInitialize
	opStart // the start function, which need not be exported
	ops
)

// opExports returns the exports by op; that of opStart has no name.
func opExports() [ops]string {
	return [ops]string{exportAccept, exportTimeout, exportClose, exportVersion, exportEventBuffer,
		exportConfigureBuffer, exportConfigure, exportStateRegion, exportStateFormat, exportInitialize}
}

// opSet is a set of ops.
type opSet uint32

func (s opSet) has(o op) bool { return s>>o&1 != 0 }

// exportEntry is a global that refers to the function which takes an op, a
// parameter and the fuel, and returns what the export does and the fuel that
// is left. No module has an export of its own with this prefix.
const exportEntry = gate.Reserved + "entry"

// Sections of the binary format that link knows.
const (
	sectionType     = 1
	sectionFunction = 3
	sectionGlobal   = 6
	sectionExport   = 7
	sectionStart    = 8
	sectionCode     = 10
)

// Codes of the binary format that the entry is written with.
const (
	codeUnreachable = 0x00
	codeBlock       = 0x02
	codeEnd         = 0x0b
	codeBrTable     = 0x0e
	codeReturn      = 0x0f
	codeCall        = 0x10
	codeIndirect    = 0x11
	codeLocalGet    = 0x20
	codeGlobalGet   = 0x23
	codeGlobalSet   = 0x24
	codeTableSet    = 0x26
	codeConst32     = 0x41
	codeConst64     = 0x42
	codeExtend      = 0xad // i64.extend_i32_u
	codeRefFunc     = 0xd2
	codeVoid        = 0x40
	codeFuncref     = 0x70
	codeFunc        = 0x60
	codeI32         = 0x7f
	codeI64         = 0x7e
)

var errSections = errors.New("BUG: metered module has no proper sections")

// linkedModule is a metered module with an entry.
type linkedModule struct {
	wasm    []byte
	exports opSet
	types   int // of functions
}

// link adds the entry, through which one call engine of wazero's serves all
// functions of a guest, and of many guests: a call engine holds a stack of 10 KiB.
// The start function is called through the entry, too: as a part of instantiation
// it would run before the host can set its fuel, and why it failed would be lost.
// metered is what the meter made of m.
func link(m *gate.Module, metered []byte) (linkedModule, error) {
	l := linker{
		fuel:    binary.AppendUvarint(nil, uint64(m.Globals())),
		entry:   binary.AppendUvarint(nil, uint64(m.ImportedFuncs()+len(m.Bodies()))),
		globals: uint64(m.Globals()) + 2,
	}
	err := eachSection(metered, l.find)
	if err == nil {
		err = l.err
	}
	if err != nil {
		return linkedModule{}, err
	}
	out := append(make([]byte, 0, len(metered)+512), metered[:8]...)
	err = eachSection(metered, func(id byte, content []byte) {
		if id == sectionStart {
			return
		}
		content = l.content(id, content)
		out = binary.AppendUvarint(append(out, id), uint64(len(content)))
		out = append(out, content...)
	})
	return linkedModule{wasm: out, exports: l.has(), types: int(l.types) + 1}, err
}

// linker collects what the entry refers to, and writes it.
type linker struct {
	fuel, entry []byte // indices, encoded
	globals     uint64
	types       uint64
	funcs       [ops][]byte // indices of the functions, encoded; nil: there is none
	err         error
}

// find looks for what the entry refers to.
func (l *linker) find(id byte, content []byte) {
	switch id {
	case sectionType:
		l.types, _ = binary.Uvarint(content)
	case sectionStart:
		l.funcs[opStart] = content
	case sectionExport:
		l.exports(content)
	}
}

// exports takes the functions of the ABI from the export section.
func (l *linker) exports(content []byte) {
	names := opExports()
	n, size := binary.Uvarint(content)
	rest := content[max(size, 0):]
	for range n {
		length, size := binary.Uvarint(rest)
		if size <= 0 || length > uint64(len(rest)-size) {
			l.err = errSections
			return
		}
		name, item := rest[size:size+int(length)], rest[size+int(length):]
		if len(item) < 2 {
			l.err = errSections
			return
		}
		_, size = binary.Uvarint(item[1:])
		if size <= 0 {
			l.err = errSections
			return
		}
		for o, known := range names {
			if item[0] == 0 && known != "" && known == string(name) {
				l.funcs[o] = item[1 : 1+size]
			}
		}
		rest = item[1+size:]
	}
}

func (l *linker) has() (s opSet) {
	for o, f := range l.funcs {
		if f != nil {
			s |= 1 << o
		}
	}
	return s
}

// content adds the entry's part to a section.
func (l *linker) content(id byte, content []byte) []byte {
	switch id {
	case sectionType:
		return grow(content, entryType())
	case sectionFunction:
		return grow(content, binary.AppendUvarint(nil, l.types))
	case sectionGlobal:
		ref := append([]byte{codeFuncref, 0, codeRefFunc}, l.entry...)
		return grow(content, append(ref, codeEnd))
	case sectionExport:
		name := append([]byte{byte(len(exportEntry))}, exportEntry...)
		return grow(content, binary.AppendUvarint(append(name, 3), l.globals))
	case sectionCode:
		body := l.body()
		return grow(content, append(binary.AppendUvarint(nil, uint64(len(body))), body...))
	}
	return content
}

// entryType is (op i32, param i32, fuel i64) -> (i64, i64).
func entryType() []byte {
	return []byte{codeFunc, 3, codeI32, codeI32, codeI64, 2, codeI64, codeI64}
}

// body is the entry's code. The module has passed the gate, so the functions
// have the types of the ABI.
func (l *linker) body() []byte {
	b := append([]byte{0, codeLocalGet, 2, codeGlobalSet}, l.fuel...)
	for range ops + 1 {
		b = append(b, codeBlock, codeVoid)
	}
	b = append(b, codeLocalGet, 0, codeBrTable, byte(ops))
	for o := range ops + 1 {
		b = append(b, byte(o))
	}
	for o := range ops {
		b = append(b, codeEnd)
		b = append(b, l.op(o)...)
	}
	return append(b, codeEnd, codeUnreachable, codeEnd)
}

// op is the code of one op.
func (l *linker) op(o op) []byte {
	if l.funcs[o] == nil {
		return []byte{codeUnreachable}
	}
	var b []byte
	switch o {
	case opConfigureBuffer, opConfigure:
		b = append(b, codeLocalGet, 1)
	}
	b = append(append(b, codeCall), l.funcs[o]...)
	switch o {
	case opVersion, opConfigureBuffer, opConfigure:
		b = append(b, codeExtend)
	case opClose, opInitialize, opStart:
		b = append(b, codeConst64, 0)
	}
	return append(append(append(b, codeGlobalGet), l.fuel...), codeReturn)
}

// grow appends an entry to a section that is a vector.
func grow(content, entry []byte) []byte {
	n, size := binary.Uvarint(content)
	out := make([]byte, 0, len(content)+len(entry)+2)
	out = append(binary.AppendUvarint(out, n+1), content[max(size, 0):]...)
	return append(out, entry...)
}

// eachSection calls f with the sections in order.
func eachSection(wasm []byte, f func(id byte, content []byte)) error {
	for rest := wasm[min(8, len(wasm)):]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return errSections
		}
		end := 1 + n + int(size)
		f(rest[0], rest[1+n:end])
		rest = rest[end:]
	}
	return nil
}
