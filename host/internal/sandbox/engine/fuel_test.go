package engine

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// forever repeats code without an end.
func forever(code ...[]byte) []byte {
	return wasmtest.Code([]byte{0x03, 0x40}, wasmtest.Code(code...), []byte{0x0c, 0x00, 0x0b})
}

// drains lists what does not come back by itself.
func drains() map[string]wasmtest.Module {
	fill := wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(7), wasmtest.Const32(65536), []byte{0xfc, 11, 0})
	hook := func(more []wasmtest.Func, code ...[]byte) wasmtest.Module {
		return wasmtest.Guest(append([]wasmtest.Func{wasmtest.Hook("on_timeout", append(code, wasmtest.Const64(0))...)}, more...)...)
	}
	// Two calls of the next, 40 deep: 2^40 calls without a loop.
	var tree []wasmtest.Func
	for n := range uint32(40) {
		tree = append(tree, wasmtest.Func{Body: wasmtest.Code(wasmtest.Call(5+n), wasmtest.Call(5+n))})
	}
	tree = append(tree, wasmtest.Func{})
	return map[string]wasmtest.Module{
		"endless loop":    hook(nil, wasmtest.Forever()),
		"call tree":       hook(tree, wasmtest.Call(4)),
		"bulk fill":       hook(nil, forever(fill)),
		"recursion":       hook(nil, wasmtest.Call(3), wasmtest.Drop()),
		"growth":          hook(nil, forever(wasmtest.Grow(1), wasmtest.Drop())),
		"growth refused":  hook(nil, forever(wasmtest.Grow(-1), wasmtest.Drop())),
		"growth by none":  hook(nil, forever(wasmtest.Grow(0), wasmtest.Drop())),
		"fills in a row":  hook(nil, bytes.Repeat(fill, 200)),
		"logging":         importer("idlehost", "log", 3, 0, nil, forever(wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Const32(9), wasmtest.Call(0)), wasmtest.Const32(0)),
		"long lines":      importer("idlehost", "log", 3, 0, nil, bytes.Repeat(wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(0), wasmtest.Const32(256), wasmtest.Call(0)), 800), wasmtest.Const32(0)),
		"randomness":      importer(wasi, "random_get", 2, 1, nil, bytes.Repeat(wasmtest.Code(wasmtest.Const32(0), wasmtest.Const32(1<<16), wasmtest.Call(0), wasmtest.Drop()), 3), wasmtest.Const32(0)),
		"standard output": importer(wasi, "fd_write", 4, 1, []wasmtest.Data{{Offset: 0, Bytes: []byte{0, 4, 0, 0, 0, 32}}}, bytes.Repeat(wasmtest.Code(wasmtest.Const32(1), wasmtest.Const32(0), wasmtest.Const32(1), wasmtest.Const32(64), wasmtest.Call(0), wasmtest.Drop()), 20), wasmtest.Const32(0)),
		"sleep":           importer(wasi, "poll_oneoff", 4, 1, nil, forever(wasmtest.Const32(0), wasmtest.Const32(1024), wasmtest.Const32(16), wasmtest.Const32(4096), wasmtest.Call(0), wasmtest.Drop()), wasmtest.Const32(0)),
	}
}

// TestFuelEndsWhatDoesNotComeBack: the next question works on a new instance,
// and another policy does not notice.
func TestFuelEndsWhatDoesNotComeBack(t *testing.T) {
	for name, m := range drains() {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Config{})
			p, other := load(t, e, source(m.Bytes())), load(t, e, source(tiny().Bytes()))
			_, fault := p.Decide(at(abi.KindTimeout, 0))
			wantFault(t, name, fault, policy.FaultFuel)
			if err := p.Err(); !errors.Is(err, errFuel) || !strings.Contains(err.Error(), "on_timeout: out of fuel: used up its 400000 units in ") {
				t.Error(err)
			}
			_, fault = other.Decide(at(abi.KindTimeout, 0))
			wantFault(t, "the other policy", fault, policy.FaultNone)
			_, fault = p.Decide(at(abi.KindAccept, 0))
			wantFault(t, "accept afterwards", fault, policy.FaultNone)
			s := p.Stats()
			if s.Instances != 2 || s.FuelMax[abi.KindTimeout] != 400_000 || other.Stats().Instances != 1 {
				t.Errorf("stats are %+v, want 2 instances and 400,000 units for a timeout; the other has %d instances, want 1", s, other.Stats().Instances)
			}
		})
	}
}

// starting returns a guest with an imperfect beginning: step loops.
func starting(step string) []byte {
	loop := func(params, results []byte, code ...[]byte) wasmtest.Module {
		f := wasmtest.Func{Export: step, Params: params, Results: results, Body: wasmtest.Code(append([][]byte{wasmtest.Forever()}, code...)...)}
		return wasmtest.Guest(f)
	}
	one := []byte{wasmtest.I32}
	switch step {
	case "start function":
		return withStart(wasmtest.Guest(wasmtest.Func{Body: wasmtest.Forever()}), 4)
	case "_initialize":
		return loop(nil, nil).Bytes()
	case "abi_version":
		return loop(nil, one, wasmtest.Const32(1)).Bytes()
	case "configure", "configure_buffer":
		m := loop(one, one, wasmtest.Const32(0))
		for _, name := range []string{"configure", "configure_buffer"} {
			if name != step {
				m.Funcs = append(m.Funcs, wasmtest.Func{Export: name, Params: one, Results: one, Body: wasmtest.Const32(4096)})
			}
		}
		return m.Bytes()
	}
	return loop(nil, []byte{wasmtest.I64}, wasmtest.Const64(0)).Bytes()
}

func TestFuelEndsAnInstantiationThatDoesNotComeBack(t *testing.T) {
	for step, want := range map[string]string{
		"start function":   "start function: out of fuel: used up its 30000 units in ",
		"_initialize":      "_initialize: out of fuel: used up its 30000 units in ",
		"abi_version":      "abi_version: out of fuel: used up its 10000 units in ",
		"event_buffer":     "event_buffer: out of fuel: used up its 10000 units in ",
		"configure":        "configure: out of fuel: used up its 20000 units in ",
		"configure_buffer": "configure: out of fuel: used up its 20000 units in ",
		"state_region":     "state_region: out of fuel: used up its 10000 units in ",
	} {
		e := newEngine(t, Config{CallFuel: 10_000, ConfigureFuel: 20_000, InitFuel: 30_000})
		src := source(starting(step))
		if strings.HasPrefix(step, "configure") {
			src.Params = map[string]string{"a": "b"}
		}
		_, err := e.Load(context.Background(), src)
		wantError(t, err, policy.FaultFuel, want)
	}
}

// TestBudgetIsExact: what a call has used is enough for it, one unit less is
// not.
func TestBudgetIsExact(t *testing.T) {
	decide := func(budget int64) (*Policy, policy.Fault) {
		p := load(t, newEngine(t, Config{CallFuel: budget}), source(tiny().Bytes()))
		_, fault := p.Decide(at(abi.KindTimeout, 0))
		return p, fault
	}
	p, _ := decide(0)
	s := p.Stats()
	used := s.FuelLast[abi.KindTimeout]
	if used == 0 || used > 100 || s.FuelMax != s.FuelLast || s.FuelTotal != s.FuelLast || s.FuelInstantiate == 0 {
		t.Fatalf("stats are %+v, want 1 to 100 units for the one timeout, and some for the instance", s)
	}
	_, fault := decide(int64(used))
	wantFault(t, "just enough", fault, policy.FaultNone)
	p, fault = decide(int64(used) - 1)
	wantFault(t, "one less", fault, policy.FaultFuel)
	if got := p.Stats().FuelLast[abi.KindTimeout]; got != used-1 {
		t.Errorf("%d of %d units were used", got, used-1)
	}
}

// TestFuelIsGivenAnewForEachCall, and counted by hook.
func TestFuelIsGivenAnewForEachCall(t *testing.T) {
	p := load(t, newEngine(t, Config{CallFuel: 200}), source(wasmtest.Guest(
		echo(wasmtest.Load32(wasmtest.Buffer)), wasmtest.Func{Export: "on_close", Body: wasmtest.Code(wasmtest.Const32(0), wasmtest.Drop())}).Bytes()))
	for n := range uint64(100) {
		for kind := range abi.KindClose + 1 {
			_, fault := p.Decide(at(kind, n))
			wantFault(t, kind.String(), fault, policy.FaultNone)
		}
	}
	s := p.Stats()
	for kind := range abi.KindClose + 1 {
		if s.FuelTotal[kind] != 100*s.FuelLast[kind] || s.FuelMax[kind] != s.FuelLast[kind] || s.FuelLast[kind] == 0 {
			t.Errorf("%v: last %d, most %d, together %d", kind, s.FuelLast[kind], s.FuelMax[kind], s.FuelTotal[kind])
		}
	}
}

// TestRate: a policy that has used up what it earns is not asked until it has
// earned something.
func TestRate(t *testing.T) {
	// 20 units or so a question; two seconds' worth are 200.
	p := load(t, newEngine(t, Config{FuelPerSecond: 100}), source(tiny().Bytes()))
	decide := func(ms uint64) policy.Fault {
		_, fault := p.Decide(at(abi.KindTimeout, ms))
		return fault
	}
	n := 0
	for ; decide(0) == policy.FaultNone; n++ {
	}
	s := p.Stats()
	each := s.FuelLast[abi.KindTimeout]
	if want := int(200/each) + 1; n > want || n < want-1 || s.Faults[policy.FaultRate] != 1 || s.Instances != 1 {
		t.Fatalf("%d questions of %d units were answered, want %d; stats are %+v", n, each, want, s)
	}
	owed := uint64(-p.fuelRate.left.Load())/1000 + 1 // with the audit of the first question
	if most := uint64(n)*each - 200 + 10; owed > most {
		t.Fatalf("%d units are owed, want at most %d", owed, most)
	}
	earned := uint64(-p.fuelRate.left.Load())/100 + 1 // ms: 100 units a second
	if fault := decide(earned - 1); fault != policy.FaultRate {
		t.Errorf("a millisecond early: %v", fault)
	}
	if fault := decide(earned); fault != policy.FaultNone {
		t.Errorf("on time: %v", fault)
	}
	if fault := decide(0); fault != policy.FaultRate {
		t.Errorf("the clock was set back: %v", fault)
	}
	for n = 0; decide(1<<40) == policy.FaultNone; n++ {
	}
	if n > int(200/each)+1 {
		t.Errorf("after a long time %d questions were answered at once", n)
	}
}

// TestNewInstancesCountToTheRate: a guest that is dear to begin and always
// fails uses up its rate before the breaker would let it try again.
func TestNewInstancesCountToTheRate(t *testing.T) {
	dear := bytes.Repeat(wasmtest.Code(wasmtest.Const64(1), wasmtest.Const64(2), wasmtest.Add64(), wasmtest.Drop()), 30_000)
	p := load(t, newEngine(t, Config{FuelPerSecond: 10_000}),
		source(wasmtest.Guest(wasmtest.Func{Export: "_initialize", Body: dear}, wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes()))
	for n, c := range []struct {
		ms   uint64
		want policy.Fault
	}{
		{0, policy.FaultTrap}, // the instance of the load, which is the operator's
		{0, policy.FaultTrap}, // a second, which takes the 20,000 that were saved
		{99, policy.FaultRate},
		{100, policy.FaultRate},
	} {
		_, fault := p.Decide(at(abi.KindTimeout, c.ms))
		if fault != c.want {
			t.Errorf("question %d: %v, want %v", n, fault, c.want)
		}
	}
	if s := p.Stats(); s.FuelInstantiate < 30_000 || s.Instances != 2 {
		t.Errorf("stats are %+v, want 2 instances, the last for 30,000 units at least", s)
	}
}

// TestBusyPolicyIsNotWaitedFor longer than Config.Wait, which costs the policy
// nothing.
func TestBusyPolicyIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(t.Context(), Config{Wait: 3 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		p, other := load(t, e, source(tiny().Bytes())), load(t, e, source(tiny().Bytes()))
		p.mu.Lock() // as a question that runs does
		began := time.Now()
		v, fault := p.Decide(at(abi.KindTimeout, 0))
		if took := time.Since(began); fault != policy.FaultBusy || v != (policy.Verdict{}) || took != 3*time.Millisecond {
			t.Errorf("busy: %v, %v after %v", v, fault, took)
		}
		_, fault = other.Decide(at(abi.KindTimeout, 0))
		wantFault(t, "another policy", fault, policy.FaultNone)
		time.AfterFunc(3*time.Millisecond-1, p.mu.Unlock)
		_, fault = p.Decide(at(abi.KindTimeout, 0))
		wantFault(t, "free in time", fault, policy.FaultNone)
		if s := p.Stats(); s.Faults[policy.FaultBusy] != 1 || s.Instances != 1 || s.Calls != 1 {
			t.Errorf("stats are %+v, want one question refused as busy, and one call of 1 instance", s)
		}
	})
}
