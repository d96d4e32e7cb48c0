package engine

import (
	"errors"
	"maps"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/sandbox/gate"
)

// contract is sdk/ABI.md as the gate holds a module against it.
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

// funcType says in the gate's words what wazero calls by the same bytes.
func funcType(params, results []api.ValueType) gate.FuncType {
	types := func(from []api.ValueType) (to []gate.ValType) {
		for _, t := range from {
			to = append(to, gate.ValType(t))
		}
		return to
	}
	return gate.FuncType{Params: types(params), Results: types(results)}
}

// limits is what a module may ask of the host.
func (c Config) limits() gate.Limits {
	return gate.Limits{ModuleBytes: c.moduleBytes(), MemoryPages: int(c.memoryPages())}
}

// refusedForMemory reports whether the gate refused what a module wants of
// memory.
func refusedForMemory(err error) bool {
	var r *gate.Refusal
	return errors.As(err, &r) && r.Rule == gate.RuleMemoryPages
}
