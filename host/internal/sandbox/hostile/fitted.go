package hostile

import (
	"fmt"
	"slices"

	w "idlehost/host/internal/sandbox/wasmtest"
)

// Fitted is an attack whose questions stay within their fuel, and so never fail:
// they only take more time than their fuel stands for. How much work fits depends on
// the current prices, which an author learns from host check, and Fit from running
// the module.
type Fitted struct {
	Name string
	What string
	// Times returns the module each question of which does n times the same.
	Times func(n int32) []byte
}

// Fit returns the attack whose questions use most of budget. used returns the fuel
// that a question of a module takes.
func (f Fitted) Fit(budget int64, used func(wasm []byte) (int64, error)) (Attack, error) {
	const few, more = 1, 9
	one, err := used(f.Times(few))
	if err != nil {
		return Attack{}, fmt.Errorf("%s: %w", f.Name, err)
	}
	nine, err := used(f.Times(more))
	if err != nil {
		return Attack{}, fmt.Errorf("%s: %w", f.Name, err)
	}
	each := max((nine-one)/(more-few), 1)
	n := max(int32((budget*9/10-one)/each), few)
	return Attack{Name: f.Name, Class: Runtime, What: f.What, Want: harmless(), Wasm: func() []byte { return f.Times(n) }}, nil
}

// FittedAttacks returns one attack for each way in which time may exceed fuel.
func FittedAttacks() []Fitted {
	fit := func(name, what string, locals uint32, code []byte, change func(m *w.Module)) Fitted {
		return Fitted{name, what, func(n int32) []byte {
			m := w.Guest(accept(w.Call(4)), timeout(w.Call(4)),
				w.Func{Locals: locals + 14, Body: times(n, locals+13, code)}, procedure(""))
			if change != nil {
				change(&m)
			}
			return m.Bytes()
		}}
	}
	all := func(m *w.Module) { m.Pages = 128 }
	chained := func(m *w.Module) {
		all(m)
		m.Funcs = append(m.Funcs, chainBehind(chainStart))
	}
	arm := func(n uint32) []byte { return w.Code(w.LocalGet(0), w.If(rotated(1, n))) }
	globals := func(m *w.Module) { m.Globals = make([]int64, 1000) }
	anywhere := w.Code(w.LocalGet(1), w.Const32(1103515245), op(0x6c), w.Const32(12345), op(0x6a, 0x22, 1),
		w.Const32(4), op(0x76), w.Const32(8<<20-64), op(0x71))
	load := op(0x28, 2, 0)
	return []Fitted{
		fit("fitted-additions", "A question adds numbers, as any policy might.", 0,
			w.Code(w.LocalGet(0), op(0x41, 1, 0x6a, 0x21, 0)), nil),
		fit("fitted-divisions", "A question divides.", 0, slices.Repeat(w.Code(w.Const64(-1), w.LocalGet(0), op(0xac, 0x42, 3, 0x84, 0x80), w.Drop()), 20), nil),
		fit("fitted-arms-of-3900-locals", "An arm that is never taken rotates 3900 locals.", 3900, arm(3900), nil),
		fit("fitted-arms-of-1000-locals", "An arm that is never taken rotates 1000 locals.", 1000, arm(1000), nil),
		fit("fitted-arms-of-100-locals", "An arm that is never taken rotates 100 locals.", 100, arm(100), nil),
		fit("fitted-reloads", "1000 globals are used in an arm that is never taken, after each call.", 0,
			w.Code(w.Call(5), w.LocalGet(0), w.If(w.Code(used(1000), used(1000)))), globals),
		fit("fitted-chain", "Every load tells where in 8 MiB the next one is.", 0,
			w.Code(w.LocalGet(0), slices.Repeat(op(0x28, 2, 0x80, 0x80, 4), 200), op(0x21, 0)), chained),
		fit("fitted-loads", "Loads anywhere in 8 MiB.", 0, slices.Repeat(w.Code(anywhere, load, w.Drop()), 20), all),
		fit("fitted-stores", "Stores anywhere in 8 MiB.", 0, slices.Repeat(w.Code(anywhere, w.LocalGet(1), op(0x36, 2, 0)), 20), all),
		fit("fitted-fills", "A question fills 64 KiB again and again.", 0,
			w.Code(w.Const32(0), w.Const32(7), w.Const32(65536), misc(11, 0)), all),
		fit("fitted-growth", "A question asks for memory that it does not get.", 0, w.Code(w.Grow(-1), w.Drop()), nil),
	}
}

// chainStart is where the chain begins: behind the event, which the host writes.
const chainStart = 65536

// chainBehind is chain, from an address on: 65,536 links, 124 bytes apart, each
// relative to that address.
func chainBehind(start uint64) w.Func {
	const links, step = 65536, 124
	place := func(i ...[]byte) []byte {
		return w.Code(w.Code(i...), w.Const32(links-1), op(0x71), w.Const32(step), op(0x6c))
	}
	next := w.Code(w.LocalGet(0), w.Const32(1664525), op(0x6c), w.Const32(1013904223), op(0x6a))
	return w.Func{Export: "_initialize", Locals: 1, Body: times(links, 0, place(w.LocalGet(0)), place(next), op(0x36, 2), u(start))}
}
