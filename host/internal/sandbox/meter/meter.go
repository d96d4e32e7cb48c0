// Package meter rewrites a module so that it pays fuel for the code that it runs.
// A global holds the fuel that is left: every piece of code subtracts its cost
// before it runs, and traps if the result is negative. wazero can neither count
// instructions nor stop native code; a metered module stops itself.
//
// A second global bounds the stack: a function subtracts its frame from it, and
// adds it again when it returns. If the stack is used up, the fuel is set to -1,
// too.
//
// The host sets the fuel before a call and reads it afterwards: negative means out
// of fuel, whatever the trap says. The module cannot name these globals: the gate
// has checked every index of the original module, and refuses exports with the
// host's prefix.
package meter

import (
	"encoding/binary"
	"errors"

	"idlehost/host/internal/sandbox/gate"
)

// Global is the name under which a metered module exports its fuel, a mutable
// i64.
const Global = gate.Reserved + "fuel"

// StackGlobal is the name under which it exports how much of Stack is left, a
// mutable i64. A call that ends in a trap does not restore it: a caller that uses
// the instance again has to.
const StackGlobal = gate.Reserved + "stack"

// Config configures Rewrite. The zero value works.
type Config struct {
	// Init is the fuel that a new instance begins with, for its start function
	// and whatever else runs before the host sets the global. 0: 20 million, of
	// which a policy built by Go needs about 2.5. At most 1<<62.
	Init int64
}

func (c Config) init() int64 {
	if c.Init <= 0 {
		return 20_000_000
	}
	return min(c.Init, 1<<62)
}

// Report says what Rewrite has changed.
type Report struct {
	Functions     int
	Charges       int // places where fuel is taken
	Before, After int // bytes; custom sections count before only
}

// Rewrite returns the metered module. It drops custom sections, and lowers
// the maximum of tables to what the gate allows one to begin with. The error
// is that m did not come from gate.Check.
func Rewrite(m *gate.Module, cfg Config) ([]byte, Report, error) {
	return rewrite(m, cfg, false)
}

func rewrite(m *gate.Module, cfg Config, exact bool) ([]byte, Report, error) {
	if m == nil || len(m.Bytes()) == 0 {
		return nil, Report{}, errors.New("meter: module has not passed the gate")
	}
	a := moduleWriter{
		module: m,
		init:   cfg.init(),
		blocks: map[string]int{},
		writer: codeWriter{
			fuel:  binary.AppendUvarint(nil, uint64(m.Globals())),
			stack: binary.AppendUvarint(nil, uint64(m.Globals())+1),
		},
		plan: plan{
			module: m, price: newPrice(m), imported: uint32(m.ImportedFuncs()), hosts: hostTypes(m), exact: exact,
			loads: loadDepths{accessPrice: accessPriceIn(m), stackPointers: pointersIn(m)},
		},
	}
	out := a.write()
	a.report.Before, a.report.After = len(m.Bytes()), len(out)
	return out, a.report, nil
}
