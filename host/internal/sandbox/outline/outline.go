// Package outline makes the outline of a metered module: the same module with empty
// functions, with which a runtime finds and loads the compiled code. wazero
// validates a whole module even if it has the code, and functions are most of it.
package outline

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

var errModule = errors.New("module has no proper sections")

const (
	headSize      = 8
	sectionCustom = 0
	sectionCode   = 10
)

// empty is the body of a function of any type: it has no locals, and traps.
var empty = []byte{3, 0, 0x00, 0x0b}

// Of returns the outline of a module. Different modules have different outlines.
func Of(wasm []byte) ([]byte, error) {
	if len(wasm) < headSize {
		return nil, errModule
	}
	out := append(make([]byte, 0, len(wasm)/2), wasm[:headSize]...)
	for rest := wasm[headSize:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return nil, errModule
		}
		end := 1 + n + int(size)
		if rest[0] != sectionCode {
			out = append(out, rest[:end]...)
			rest = rest[end:]
			continue
		}
		count, n := binary.Uvarint(rest[1+n : end])
		if n <= 0 || count > size {
			return nil, errModule
		}
		out = functions(out, count)
		rest = rest[end:]
	}
	sum := sha256.Sum256(wasm)
	out = append(out, sectionCustom, byte(3+len(sum)), 2, 'o', 'f')
	return append(out, sum[:]...), nil
}

// functions appends a code section with count empty functions.
func functions(out []byte, count uint64) []byte {
	head := binary.AppendUvarint(nil, count)
	out = binary.AppendUvarint(append(out, sectionCode), uint64(len(head))+count*uint64(len(empty)))
	out = append(out, head...)
	for range count {
		out = append(out, empty...)
	}
	return out
}
