package wasmtest

import "slices"

// Buffer is where a Guest has its event; its buffer takes event and gaps.
const Buffer = 1024

// bufferBytes is abi.BufferSize, repeated so that a guest that is wrong about
// it can be built too.
const bufferBytes = 1680

// Extend60s is a verdict: extend by a minute.
const Extend60s = 1<<32 | 60000

// Returns is a function without parameters that returns an i64.
func Returns(export string, v int64) Func {
	return Func{Export: export, Results: []byte{I64}, Body: Const64(v)}
}

// Hook is a function without parameters whose code pushes an i64.
func Hook(export string, code ...[]byte) Func {
	return Func{Export: export, Results: []byte{I64}, Body: Code(code...)}
}

// Guest returns a right policy that answers Extend60s to everything, with the
// given functions in the place of, or besides, its own. Functions are indexed
// in the order abi_version, event_buffer, on_accept, on_timeout, others.
func Guest(funcs ...Func) Module {
	m := Module{
		Pages: 1, MemoryName: "memory",
		Funcs: []Func{
			{Export: "abi_version", Results: []byte{I32}, Body: Const32(1)},
			Returns("event_buffer", bufferBytes<<32|Buffer),
			Returns("on_accept", Extend60s),
			Returns("on_timeout", Extend60s),
		},
	}
	for _, f := range funcs {
		i := slices.IndexFunc(m.Funcs, func(g Func) bool { return g.Export == f.Export && f.Export != "" })
		if i >= 0 {
			m.Funcs[i] = f
		} else {
			m.Funcs = append(m.Funcs, f)
		}
	}
	return m
}

// Without returns m without the function exported as name.
func (m Module) Without(name string) Module {
	m.Funcs = slices.DeleteFunc(slices.Clone(m.Funcs), func(f Func) bool { return f.Export == name })
	return m
}
