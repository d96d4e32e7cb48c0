package meter

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/wasmtest"
)

// attack exports "run", which wants more than its share, and may have
// functions beside it.
func attack(body []byte, others ...[]byte) wasmtest.Module {
	m := wasmtest.Module{
		Pages: 16, MaxPages: 128, MemoryName: "memory",
		Funcs: []wasmtest.Func{{Export: "run", Body: body}},
	}
	for _, o := range others {
		m.Funcs = append(m.Funcs, wasmtest.Func{Body: o})
	}
	return m
}

func attacks() map[string]wasmtest.Module {
	big := wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(1), wasmtest.Const32(1<<20))
	again := func(body []byte) []byte { return wasmtest.Code([]byte{3, 0x40}, body, []byte{0x0c, 0, 0x0b}) }
	var tree [][]byte
	for i := range 60 {
		tree = append(tree, wasmtest.Code(wasmtest.Call(uint32(i)+2), wasmtest.Call(uint32(i)+2)))
	}
	long := wasmtest.Code()
	for range 40 {
		long = wasmtest.Code(long, big, []byte{0xfc, 11, 0})
	}
	return map[string]wasmtest.Module{
		"loop":                attack(wasmtest.Forever()),
		"loop through br_if":  attack([]byte{3, 0x40, 0x41, 1, 0x0d, 0, 0x0b}),
		"loop through table":  attack([]byte{3, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b}),
		"nested loops":        attack(again(again(wasmtest.Code(wasmtest.Const32(1), wasmtest.Drop())))),
		"tree of 2^60 calls":  attack(wasmtest.Call(1), append(tree, []byte{1})...),
		"recursion":           attack(wasmtest.Call(0)),
		"mutual recursion":    attack(wasmtest.Call(1), wasmtest.Call(0)),
		"fill in a row":       attack(long),
		"fill in a loop":      attack(again(wasmtest.Code(big, []byte{0xfc, 11, 0}))),
		"copy in a loop":      attack(again(wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(1), wasmtest.Const32(1<<19), []byte{0xfc, 10, 0, 0}))),
		"grow in a loop":      attack(again(wasmtest.Code(wasmtest.Grow(1), wasmtest.Drop()))),
		"grow by nothing":     attack(again(wasmtest.Code(wasmtest.Grow(0), wasmtest.Drop()))),
		"division in a loop":  attack(again(wasmtest.Code(wasmtest.Const64(1<<62), wasmtest.Const64(3), []byte{0x7f}, wasmtest.Drop()))),
		"fill of 4 GiB":       attack(wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(1), wasmtest.Const32(-1), []byte{0xfc, 11, 0})),
		"grow by 2^32-1":      attack(again(wasmtest.Code(wasmtest.Grow(-1), wasmtest.Drop()))),
		"recursion, 10 KiB":   attack(wasmtest.Code(wasmtest.Call(0), straight(1500))),
		"recursion, large":    largeFrames(16000),
		"recursion, larger":   largeFrames(1000),
		"recursion, in a row": attack(again(wasmtest.Code(wasmtest.Call(0), wasmtest.Call(0), wasmtest.Call(0)))),
	}
}

func straight(n int) []byte {
	var b []byte
	for range n {
		b = append(b, 0x41, 1, 0x41, 2, 0x6a, 0x1a)
	}
	return b
}

// largeFrames is a function whose frame holds n values for code that never
// runs.
func largeFrames(n int) wasmtest.Module {
	loads := wasmtest.Code()
	for i := range n {
		loads = append(loads, wasmtest.Load32(uint32(i)*4)...)
	}
	store := wasmtest.Code(wasmtest.Const32(0), loads, wasmtest.Call(1), bytes.Repeat([]byte{0x6a}, n-1), []byte{0x36, 2, 0})
	m := attack(wasmtest.Code(wasmtest.Call(0), wasmtest.GlobalGet(0), []byte{0xa7}, wasmtest.If(store)), []byte{1})
	m.Globals = []int64{0}
	return m
}

const budget = 100_000

// slowest is how many times as long as the plainest loop an attack may take to
// use up the same fuel. TestPrices has the exact figures; this finds what is
// not charged for.
const slowest = 40

// TestAttacksEnd: with little fuel, each ends by running out of it, soon, and
// says so by what is left. What is soon a plain loop tells, that takes turns
// with the attack.
func TestAttacksEnd(t *testing.T) {
	plain := attack(wasmtest.Forever())
	for name, m := range attacks() {
		t.Run(name, func(t *testing.T) {
			theirs, ours := exhausting(t, m), exhausting(t, plain)
			first := theirs() // it grows the stack
			least, loop := theirs(), ours()
			// On a busy machine a turn may last ten times as long as it takes.
			for range 50 {
				least, loop = min(least, theirs()), min(loop, ours())
				if least <= slowest*loop/4 {
					break
				}
			}
			t.Logf("ends after %v, the first time after %v; a loop after %v", least, first, loop)
			if least > slowest*loop {
				t.Errorf("ends only after %v, a loop after %v", least, loop)
			}
		})
	}
}

// exhausting returns a function that has a guest use up its budget, and tells
// how long that took.
func exhausting(t *testing.T, m wasmtest.Module) (run func() time.Duration) {
	guest := start(t, metered(t, m.Bytes(), budget))
	fuel := guest.ExportedGlobal(Global).(api.MutableGlobal)
	f := guest.ExportedFunction("run")
	return func() time.Duration {
		fuel.Set(budget)
		guest.ExportedGlobal(StackGlobal).(api.MutableGlobal).Set(Stack)
		begin := time.Now()
		_, err := f.Call(context.Background())
		took := time.Since(begin)
		if err == nil || !strings.Contains(err.Error(), "unreachable") {
			t.Fatalf("got %v", err)
		}
		if left := int64(fuel.Get()); left >= 0 || left < -1<<44 {
			t.Fatalf("%d fuel is left", left)
		}
		return took
	}
}

// TestStartIsMetered: what runs at instantiation has the initial fuel.
func TestStartIsMetered(t *testing.T) {
	wasm := raw(section(1, 1, 0x60, 0, 0), section(3, 1, 0), section(8, 0), section(10, 1, 7, 0, 3, 0x40, 0x0c, 0, 0x0b, 0x0b))
	r := wazero.NewRuntime(context.Background())
	defer r.Close(context.Background())
	_, err := r.Instantiate(context.Background(), metered(t, wasm, budget))
	if err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("got %v", err)
	}
}

// TestRefill: a module that names the global that metering will add is
// refused before it is there; so is one that takes its name.
func TestRefill(t *testing.T) {
	refill := wasmtest.Code(wasmtest.Const64(1<<40), wasmtest.GlobalSet(0))
	for rule, m := range map[gate.Rule]wasmtest.Module{
		gate.RuleIndex:    {Funcs: []wasmtest.Func{{Export: "run", Body: refill}}},
		gate.RuleReserved: {Funcs: []wasmtest.Func{{Export: Global}}},
	} {
		_, err := gate.Check(m.Bytes(), gate.Limits{}, gate.Contract{})
		var refusal *gate.Refusal
		if !errors.As(err, &refusal) || refusal.Rule != rule {
			t.Errorf("%s: got %v", rule, err)
		}
	}
	if _, _, err := Rewrite(nil, Config{}); err == nil {
		t.Error("rewrites nil")
	}
	if _, _, err := Rewrite(&gate.Module{}, Config{}); err == nil {
		t.Error("rewrites a module that has not passed the gate")
	}
}

// TestLocalsAreApart: the local that sized instructions need is not one of
// the function's.
func TestLocalsAreApart(t *testing.T) {
	body := wasmtest.Code(wasmtest.Const32(77), []byte{0x21, 1}, wasmtest.Const32(0), wasmtest.Const32(5), wasmtest.Const32(3),
		[]byte{0xfc, 11, 0}, wasmtest.LocalGet(1))
	m := wasmtest.Module{Pages: 1, MemoryName: "memory", Funcs: []wasmtest.Func{
		{Export: "run", Params: []byte{wasmtest.I32}, Results: []byte{wasmtest.I32}, Locals: 1, Body: body},
	}}
	p, err := newWorlds(t).instantiate(t, m.Bytes(), "")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := p.call("run", 1)
	if err != nil || got[0] != 77 {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestTrapsAreApart: a guest's own trap leaves fuel.
func TestTrapsAreApart(t *testing.T) {
	guest := start(t, metered(t, attack(wasmtest.Unreachable()).Bytes(), budget))
	if _, err := guest.ExportedFunction("run").Call(context.Background()); err == nil {
		t.Fatal("does not trap")
	}
	if left := int64(guest.ExportedGlobal(Global).Get()); left <= 0 || left >= budget {
		t.Errorf("%d fuel is left of %d", left, budget)
	}
}

// TestGrowIsCharged: by the pages that are granted.
func TestGrowIsCharged(t *testing.T) {
	used := func(pages int32) int64 {
		guest := start(t, metered(t, attack(wasmtest.Code(wasmtest.Grow(pages), wasmtest.Drop())).Bytes(), ample))
		if _, err := guest.ExportedFunction("run").Call(context.Background()); err != nil {
			t.Fatal(err)
		}
		return ample - int64(guest.ExportedGlobal(Global).Get())
	}
	if none, ten, refused := used(0), used(10), used(1000); ten-none != 11*costPage || refused-none > 2 {
		t.Errorf("used %d, %d, %d", none, ten, refused)
	}
}

func raw(sections ...[]byte) []byte {
	return wasmtest.Code(append([][]byte{[]byte("\x00asm\x01\x00\x00\x00")}, sections...)...)
}

func section(id byte, content ...byte) []byte {
	return append([]byte{id, byte(len(content))}, content...)
}
