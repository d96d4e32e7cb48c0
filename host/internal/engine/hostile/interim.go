package hostile

import (
	"bytes"
	"slices"

	w "idlehost/host/internal/engine/wasmtest"
	"idlehost/host/internal/policy"
)

// Interim holds modules whose time is much longer than their fuel says.
func Interim() []Attack {
	return of(Runtime, []Attack{
		attack("permuted-locals", "Branches that are never taken permute the locals of a loop.", bounded(), func() []byte { return permuted(3900, 1) }),
		attack("reloaded-globals", "A loop calls a function, and never uses a thousand globals.", bounded(), func() []byte { return reloaded(1000) }),
		attack("dependent-loads", "Each load's address is what the one before has loaded, over 8 MiB.", bounded(), func() []byte { return chased() }),
	})
}

func hooks(locals uint32, code []byte) []w.Func {
	f := func(name string) w.Func {
		return w.Func{Export: name, Results: []byte{w.I64}, Locals: locals, Body: w.Code(code, w.Const64(w.Extend60s))}
	}
	return []w.Func{f("on_accept"), f("on_timeout")}
}

func permuted(n, ifs int) []byte {
	var first, get, set, one, all []byte
	for i := range n {
		first = slices.Concat(first, w.Load32(uint32(8192+4*i)), op(0x21), u(uint64(i+1)))
		get = append(get, w.LocalGet(uint32(i+1))...)
		set = slices.Concat(set, op(0x21), u(uint64(i+1))) // the last is set first
	}
	// rotate: push all, then set 2.. and 1
	one = slices.Concat(w.Load32(8188), op(0x04, voidType), get, set, op(endOp))
	all = bytes.Repeat(one, ifs)
	sum := w.Const32(0)
	for i := range n {
		sum = slices.Concat(sum, w.LocalGet(uint32(i+1)), op(0x6a))
	}
	_ = policy.FaultNone
	return w.Guest(hooks(uint32(n+1), slices.Concat(first, times(1<<15, 0, all), w.Const32(8184-0), w.Drop(), sum, w.Drop()))...).Bytes()
}

func reloaded(n int) []byte {
	var use []byte
	for i := range n {
		use = slices.Concat(use, w.GlobalGet(uint32(i)), w.Const64(1), w.Add64(), w.GlobalSet(uint32(i)))
	}
	body := slices.Concat(w.Call(4), w.Load32(8188), op(0x04, voidType), use, op(endOp))
	m := w.Guest(append(hooks(1, times(1<<14, 0, body)), procedure(""))...)
	m.Globals = make([]int64, n)
	return m.Bytes()
}

func chased() []byte {
	const base, lines, stride = 65536, 65536, 124
	// _initialize: for i = lines; i > 0; i-- { mem[base+(i&65535)*stride] = base + ((i*A+C)&65535)*stride }
	idx := func(code []byte) []byte {
		return slices.Concat(code, w.Const32(65535), op(0x71), w.Const32(stride), op(0x6c), w.Const32(base), op(0x6a))
	}
	fill := slices.Concat(idx(w.LocalGet(0)), idx(slices.Concat(w.LocalGet(0), w.Const32(40503*4+1), op(0x6c), w.Const32(12345), op(0x6a))), op(0x36, 2, 0))
	init := w.Func{Export: "_initialize", Locals: 1, Body: times(lines, 0, fill)}
	chase := slices.Concat(op(0x23, 0, 0xa7), bytes.Repeat(op(0x28, 2, 0), 200), op(0xad, 0x24, 0))
	m := w.Guest(append(hooks(1, times(850, 0, chase)), init)...)
	m.Pages = 128
	m.Globals = []int64{base}
	return m.Bytes()
}
