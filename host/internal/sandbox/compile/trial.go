package compile

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// The trial is a module of functions that choose one of their blocks by a table,
// as Go compiles functions.
const (
	trialFuncs  = 12
	trialBlocks = 32
	trialLocals = 4
	// trialEffort is the gate's estimate of it (TestTrialEffort).
	trialEffort = 233472
)

// trialModule returns a module that takes as long to compile as a small policy.
func trialModule() []byte {
	code := slices.Concat([]byte{1, trialLocals, 0x7f}, trialBody()) // one group of locals: i32
	code = slices.Concat(leb(len(code)), code)
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{1, 0x60, 0, 0}), // a type: () -> ()
		section(3, leb(trialFuncs), make([]byte, trialFuncs)),
		section(10, leb(trialFuncs), bytes.Repeat(code, trialFuncs)),
	)
}

// trialBody is the code of each function.
func trialBody() []byte {
	b := bytes.Repeat([]byte{0x02, 0x40}, trialBlocks) // block
	b = append(b, 0x20, 0, 0x0e, trialBlocks-1)        // local.get 0, br_table
	for i := range trialBlocks {
		b = append(b, byte(i))
	}
	for i := range trialBlocks {
		local := byte(i % trialLocals)
		b = append(b, 0x0b, 0x20, local, 0x41, 1, 0x6a, 0x21, local) // end, local += 1
	}
	return append(b, 0x0b)
}

func section(id byte, content ...[]byte) []byte {
	all := slices.Concat(content...)
	return slices.Concat([]byte{id}, leb(len(all)), all)
}

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
