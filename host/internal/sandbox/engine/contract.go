package engine

import (
	"errors"
	"maps"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/sandbox/gate"
)

// contract returns the rules of sdk/ABI.md, by which the gate checks a module.
func contract(funcs imports) gate.Contract {
	c := gate.Contract{Memory: exportMemory, Exports: exports()}
	for _, module := range slices.Sorted(maps.Keys(funcs)) {
		for _, name := range slices.Sorted(maps.Keys(funcs[module])) {
			f := funcs[module][name]
			c.Imports = append(c.Imports, gate.Import{Module: module, Name: name, Type: funcType(f.params, f.results)})
		}
	}
	return c
}

// funcType converts wazero's value types to the gate's: the bytes are the same.
func funcType(params, results []api.ValueType) gate.FuncType {
	types := func(from []api.ValueType) (to []gate.ValType) {
		for _, t := range from {
			to = append(to, gate.ValType(t))
		}
		return to
	}
	return gate.FuncType{Params: types(params), Results: types(results)}
}

// limits returns the gate's limits for this configuration.
func (c Config) limits() gate.Limits {
	return gate.Limits{ModuleBytes: c.moduleBytes(), MemoryPages: int(c.memoryPages())}
}

// refusedForMemory reports whether the gate refused a module for the size of its
// memory.
func refusedForMemory(err error) bool {
	var r *gate.Refusal
	return errors.As(err, &r) && r.Rule == gate.RuleMemoryPages
}
