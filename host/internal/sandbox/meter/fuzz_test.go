package meter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/sandbox/gate/gatetest"
	"idlehost/host/longtest"
)

// FuzzMeter: a generated module does the same plain and metered, pays at
// least for what it runs, and ends when its fuel does.
func FuzzMeter(f *testing.F) {
	for i := range uint64(32) {
		f.Add(seed(i))
	}
	f.Fuzz(func(t *testing.T, seed []byte) {
		if len(seed) > 2000 {
			t.Skip("long seeds are not better")
		}
		if _, err := alike(t, gatetest.Generate(seed)); err != nil {
			t.Fatal(err)
		}
	})
}

func seed(i uint64) []byte {
	r := rand.New(rand.NewPCG(i, 1))
	b := make([]byte, 100+r.IntN(600))
	for j := range b {
		b[j] = byte(r.Uint32())
	}
	return b
}

// outcome counts what the calls of generated modules did.
type outcome struct{ calls, traps, exhausted int }

// TestGenerated is FuzzMeter over modules that are the same every time.
func TestGenerated(t *testing.T) {
	n := uint64(longtest.Count(t, 60, 600, "modules"))
	var all outcome
	for i := range n {
		o, err := alike(t, gatetest.Generate(seed(i)))
		if err != nil {
			t.Fatalf("seed %d: %v", i, err)
		}
		all = outcome{all.calls + o.calls, all.traps + o.traps, all.exhausted + o.exhausted}
	}
	t.Logf("%d modules, %d calls, %d of them trap, %d run out of little fuel", n, all.calls, all.traps, all.exhausted)
	if all.exhausted == 0 || all.traps == all.calls {
		t.Error("the modules do nothing")
	}
}

// alike runs a module plain, metered, metered exactly, and with little fuel.
func alike(t testing.TB, m gatetest.Generated) (o outcome, err error) {
	t.Helper()
	w := newWorlds(t)
	defer w.close()
	p, err := w.instantiate(t, m.Wasm, "")
	if err != nil {
		return o, err
	}
	exact, _, err := rewrite(admit(t, m.Wasm), Config{Init: ample}, true)
	if err != nil {
		return o, err
	}
	q, err := w[0].Instantiate(context.Background(), exact)
	if err != nil {
		return o, fmt.Errorf("metered exactly: %w", err)
	}
	for _, f := range m.Funcs {
		for _, v := range []uint64{0, 5, 1 << 63} {
			args := make([]uint64, len(f.Params))
			for i, t := range f.Params {
				if args[i] = v; t == 0x7f || t == 0x7d {
					args[i] = uint64(uint32(v >> 31))
				}
			}
			o.calls++
			used, trapped, err := once(p, f.Name, args)
			if err != nil {
				return o, err
			}
			if trapped {
				o.traps++
			}
			if least := drain(q, f.Name, ample, args); used < least {
				return o, fmt.Errorf("%s(%d): charged %d, ran %d", f.Name, args, used, least)
			}
		}
	}
	// Last, since what runs out of fuel is left half done.
	for _, f := range m.Funcs {
		if short(p.metered, f) {
			o.exhausted++
		}
	}
	return o, nil
}

// once resets the steps and calls, plain and metered.
func once(p pair, name string, args []uint64) (used int64, trapped bool, err error) {
	if _, _, err := p.call("reset"); err != nil {
		return 0, false, err
	}
	got, used, err := p.call(name, args...)
	return used, got == nil, err
}

// drain calls with a fuel, and returns how much is used.
func drain(m api.Module, name string, fuel int64, args []uint64) int64 {
	g := m.ExportedGlobal(Global).(api.MutableGlobal)
	m.ExportedGlobal(StackGlobal).(api.MutableGlobal).Set(Stack) // the last call may have trapped
	g.Set(ample)
	_, _ = m.ExportedFunction("reset").Call(context.Background())
	g.Set(uint64(fuel))
	_, _ = m.ExportedFunction(name).Call(context.Background(), args...)
	return fuel - int64(g.Get())
}

// short calls with fuel for a few instructions, and says whether it ran out.
func short(m api.Module, f gatetest.Function) bool {
	const little = 40
	return drain(m, f.Name, little, make([]uint64, len(f.Params))) > little
}

func (w worlds) close() {
	for _, r := range w {
		_ = r.Close(context.Background())
	}
}

// TestExact: the code that is charged early is bounded: over real guests, the
// charge is never less than what runs, and at most half more.
func TestExact(t *testing.T) {
	for _, name := range []string{"fixed", "adaptive", "pressure"} {
		wasm := read(t, "../../../../plugins/"+name+".wasm")
		exact, _, err := rewrite(admit(t, wasm), Config{Init: ample}, true)
		if err != nil {
			t.Fatal(err)
		}
		a, b := start(t, exact), start(t, metered(t, wasm, ample))
		for _, hook := range []string{"on_accept", "on_timeout"} {
			least, used := spend(t, a, hook), spend(t, b, hook)
			t.Logf("%s %s: runs %d, pays %d", name, hook, least, used)
			if used < least || used > least*3/2 {
				t.Errorf("%s %s: runs %d, pays %d", name, hook, least, used)
			}
		}
	}
}

func spend(t *testing.T, m api.Module, hook string) int64 {
	t.Helper()
	g := m.ExportedGlobal(Global).(api.MutableGlobal)
	g.Set(ample)
	if _, err := m.ExportedFunction(hook).Call(context.Background()); err != nil && !strings.Contains(err.Error(), "unreachable") {
		t.Fatal(err)
	}
	return ample - int64(g.Get())
}
