package meter

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// mostPrice is how long a unit of fuel may last, in ns, on a server of 2020s
// make: one that takes calibrated ns for a multiplication that waits for
// another and an addition.
const mostPrice, calibrated = 5.0, 1.1

// margin is the part of mostPrice that is kept for processors that were not
// measured. TestPrices logs what is within it.
const margin = 0.16

// attempts is how often a class is measured, at most, before it counts as too
// cheap: what else the machine does only ever makes code take longer.
const attempts = 8

// pause is how much other work comes between two attempts.
const pause = 20

// running is work that has been compiled.
type running struct {
	work
	runtime wazero.Runtime
	code    wazero.CompiledModule
}

func (w work) compile(t testing.TB) running {
	t.Helper()
	ctx := experimental.WithMemoryAllocator(context.Background(), experimental.MemoryAllocatorFunc((&heap{}).Allocate))
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	code, err := r.CompileModule(ctx, metered(t, w.module(), ample))
	if err != nil {
		t.Fatal(err)
	}
	return running{work: w, runtime: r, code: code}
}

func (r running) close() { _ = r.runtime.Close(context.Background()) }

// elapse spends fuel units, and returns the processor time of the quickest of
// n, of which the first warms up; 0: the work traps before it has used them up.
func (r running) elapse(t testing.TB, units int64, n int, fill func(mem []byte)) time.Duration {
	t.Helper()
	least := time.Hour
	for range n {
		ctx := experimental.WithMemoryAllocator(context.Background(), experimental.MemoryAllocatorFunc((&heap{}).Allocate))
		guest, err := r.runtime.InstantiateModule(ctx, r.code, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		if fill != nil {
			mem, _ := guest.Memory().Read(0, guest.Memory().Size())
			fill(mem)
		}
		run, fuel := guest.ExportedFunction("run"), guest.ExportedGlobal(Global).(api.MutableGlobal)
		fuel.Set(uint64(units))
		begin := threadTime(t)
		_, err = run.Call(ctx)
		least = min(least, threadTime(t)-begin)
		if err == nil {
			t.Fatalf("ends with %d fuel left", int64(fuel.Get()))
		}
		if int64(fuel.Get()) >= 0 {
			least = 0
		}
		_ = guest.Close(ctx)
	}
	return least
}

// calibrate returns how much slower the machine is at the moment.
func calibrate(t testing.TB) float64 {
	t.Helper()
	const rounds = 50_000
	least := time.Hour
	for range 5 {
		begin, x := threadTime(t), uint64(rounds)
		for range rounds {
			x = x*6364136223846793005 + 1442695040888963407
		}
		sink = x
		least = min(least, threadTime(t)-begin)
	}
	return max(1, float64(least)/rounds/calibrated)
}

var sink uint64

// price measures all cases of the work: how long a unit of fuel lasts, in ns, on
// a machine that nobody slows down. What slows it down before and behind a
// measurement alike is taken out, not what has come and gone with it.
func (w work) price(t testing.TB) map[string]float64 {
	t.Helper()
	runtime.LockOSThread() // whose time is measured
	defer runtime.UnlockOSThread()
	r := w.compile(t)
	defer r.close()
	cases, units := w.cases, int64(200_000)
	if len(cases) == 0 {
		cases, units = map[string]func([]byte){"": w.fill}, 1_000_000
	}
	ns := map[string]float64{}
	for name, fill := range cases {
		slow := calibrate(t)
		took := r.elapse(t, units, 2, fill)
		slow = min(slow, calibrate(t))
		if took == 0 && len(w.cases) == 0 {
			t.Fatal("traps with fuel left")
		}
		ns[name] = float64(took) / float64(units) / slow
	}
	return ns
}

// worst returns the case in which a unit lasts longest.
func worst(ns map[string]float64) (name string, most float64) {
	for of, each := range ns {
		if each > most {
			name, most = of, each
		}
	}
	return name, most
}

// prices measures all work, and what is above the bound again, with other work in
// between, until it is not or has been measured attempts times. So a neighbour who
// slows the machine down for a moment fails nothing; a price that is wrong stays
// wrong. It returns by class the least of each case.
func prices(t testing.TB, all map[string]work, bound float64) map[string]map[string]float64 {
	t.Helper()
	least := map[string]map[string]float64{}
	rest := slices.Collect(maps.Keys(all))
	for range attempts {
		var high []string
		for _, name := range rest {
			ns := all[name].price(t)
			for of, was := range least[name] {
				ns[of] = min(ns[of], was)
			}
			least[name] = ns
			if _, most := worst(ns); most > bound {
				high = append(high, name)
			}
		}
		if rest = high; len(rest) == 0 {
			break
		}
		n := 0
		for _, other := range all { // in no order
			if other.price(t); n == pause {
				break
			}
			n++
		}
	}
	return least
}

// TestPrices: no class of instructions, and no attack, makes a unit of fuel
// last longer than mostPrice; see the log for what it is.
func TestPrices(t *testing.T) {
	if raced {
		t.Skip("measures time")
	}
	all := classes()
	for _, more := range []map[string]work{shapes(), numericClasses(), accessClasses()} {
		maps.Copy(all, more)
	}
	for name, cases := range prices(t, all, mostPrice) {
		t.Run(name, func(t *testing.T) {
			of, ns := worst(cases)
			t.Logf("%.2f ns a unit: %s%s", ns, name, of)
			if ns > mostPrice*(1-margin) {
				t.Log("of what is kept for other processors little is left")
			}
			if ns > mostPrice {
				t.Errorf("a unit lasts %.2f ns", ns)
			}
		})
	}
}
