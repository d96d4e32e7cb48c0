package engine

import (
	"encoding/binary"
	"errors"

	"idlehost/host/internal/engine/gate"
)

// exportStart0 is the name under which a start function is exported. No module
// has an export of its own with this prefix.
const exportStart0 = gate.Reserved + "start"

// Sections of the binary format that liftStart knows.
const (
	sectionExport = 7
	sectionStart  = 8
)

var errSections = errors.New("BUG: metered module has no proper sections")

// liftStart makes an export of a module's start function, where it has one. As
// part of instantiation it would run before the host has a hand on the fuel,
// and what it fails of could not be told. The module has passed the meter,
// which writes an export section.
func liftStart(wasm []byte) ([]byte, error) {
	index, err := startFunction(wasm)
	if err != nil || index == nil {
		return wasm, err
	}
	out := append(make([]byte, 0, len(wasm)+len(exportStart0)+16), wasm[:8]...)
	err = eachSection(wasm, func(id byte, content []byte) {
		switch id {
		case sectionStart:
			return
		case sectionExport:
			content = withExport(content, index)
		}
		out = binary.AppendUvarint(append(out, id), uint64(len(content)))
		out = append(out, content...)
	})
	return out, err
}

// startFunction returns the encoded index of the start function; nil: none.
func startFunction(wasm []byte) (index []byte, err error) {
	err = eachSection(wasm, func(id byte, content []byte) {
		if id == sectionStart {
			index = content
		}
	})
	return index, err
}

// withExport appends the export of a function to a section's content.
func withExport(content, index []byte) []byte {
	n, size := binary.Uvarint(content)
	out := binary.AppendUvarint(nil, n+1)
	out = append(out, content[max(size, 0):]...)
	out = append(append(out, byte(len(exportStart0))), exportStart0...)
	return append(append(out, 0), index...)
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
