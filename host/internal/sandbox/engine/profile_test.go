package engine

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

func TestProfile(t *testing.T) {
	one := []byte{wasmtest.I32}
	m := wasmtest.Guest(
		wasmtest.Func{Export: "_initialize", Body: bytes.Repeat(wasmtest.Code(wasmtest.Const32(1), wasmtest.Const32(2), []byte{0x6a}, wasmtest.Drop()), 20)},
		wasmtest.Func{Export: "configure_buffer", Params: one, Results: one, Body: wasmtest.Const32(4096)},
		wasmtest.Func{Export: "configure", Params: one, Results: one, Body: wasmtest.Const32(0)},
		wasmtest.Returns("state_region", 64<<32|8192), wasmtest.Returns("state_format", 7),
		wasmtest.Hook("on_timeout", wasmtest.Unreachable()),
	)
	e := newEngine(t, Config{})
	src := source(m.Bytes())
	src.Params = map[string]string{"a": "b"}
	p := load(t, e, src)
	got := p.Profile()
	if got.FuelInit == 0 || got.FuelInit > 100 || got.FuelConfigure == 0 || got.FuelConfigure >= got.FuelInit {
		t.Errorf("fuel of init %d, of configure %d: want some, and less for less", got.FuelInit, got.FuelConfigure)
	}
	got.FuelInit, got.FuelConfigure = 0, 0
	if want := (Profile{ABIVersion: 1, BufferBytes: abi.BufferSize, StateBytes: 64, StateFormat: 7}); got != want {
		t.Errorf("profile %+v, want %+v", got, want)
	}
	p.Decide(at(abi.KindTimeout, 0))
	if got := p.Profile(); got != (Profile{}) {
		t.Errorf("without an instance the profile is %+v, want none", got)
	}
}

func TestInspect(t *testing.T) {
	e := newEngine(t, Config{ModuleBytes: 1000})
	wasm := wasmtest.Guest().Bytes()
	in, err := inspect(t, e, Source{Name: "guest", Wasm: wasm})
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Module.Exports()) != 5 || in.Metered <= len(wasm) {
		t.Errorf("%d exports, %d bytes metered of %d", len(in.Module.Exports()), in.Metered, len(wasm))
	}
	_, err = inspect(t, e, Source{Name: "guest", Wasm: append(wasm, make([]byte, 1000)...)})
	wantError(t, err, policy.FaultRefused, `policy "guest": gate: module at offset 0x0: has `)
	var r *gate.Refusal
	if !errors.As(err, &r) || r.Limit != 1000 {
		t.Errorf("no refusal with the limit in %v", err)
	}
	if b := e.Budgets(); b != (Budgets{Call: 400_000, Configure: 5_000_000, Init: 5_000_000, PerSecond: 50_000_000}) {
		t.Errorf("budgets %+v", b)
	}
}

// TestInspectIsPaidFor, by whoever uploads what is refused.
func TestInspectIsPaidFor(t *testing.T) {
	e := newEngine(t, Config{})
	q := NewQuota(QuotaConfig{LoadSaved: time.Nanosecond, LoadPerSecond: time.Microsecond})
	if _, err := inspect(t, e, owned(q, []byte("no module"))); !errors.As(err, new(*gate.Refusal)) {
		t.Fatal(err)
	}
	_, err := inspect(t, e, owned(q, tiny().Bytes()))
	wantRate(t, err)
}

// inspect has a job of its own inspect a module.
func inspect(t *testing.T, e *Engine, src Source) (in *Inspection, err error) {
	err = e.Do(t.Context(), src, func(j *Job) (err error) {
		in, err = j.Inspect()
		return err
	})
	return in, err
}

// TestInspectedModuleIsNotReadAgain by the same job.
func TestInspectedModuleIsNotReadAgain(t *testing.T) {
	e := newEngine(t, Config{})
	err := e.Do(t.Context(), source(tiny().Bytes()), func(j *Job) error {
		in, err := j.Inspect()
		if err != nil {
			return err
		}
		*in.Module = gate.Module{} // reading the module again would undo this
		p, err := j.Load()
		if err != nil {
			return err
		}
		if p.code.pages != 0 {
			t.Errorf("the code begins with %d pages of memory: the module was read again", p.code.pages)
		}
		return p.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLoads counts what became code, and no refusal.
func TestLoads(t *testing.T) {
	e := newEngine(t, Config{})
	shut(t, load(t, e, source(tiny().Bytes())))
	load(t, e, source(tiny().Bytes()))
	if _, err := e.Load(t.Context(), source([]byte("no module"))); err == nil || e.Loads() != 2 {
		t.Errorf("%v, %d loads", err, e.Loads())
	}
}

// TestSourceLog takes the lines of one policy, and no other's.
func TestSourceLog(t *testing.T) {
	var all, one []string
	e := newEngine(t, Config{Log: func(name string, _ int, text string) { all = append(all, name+": "+text) }})
	src := source(wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes())
	for _, name := range []string{"theirs", "its own"} {
		src.Name = name
		load(t, e, src).Decide(at(abi.KindTimeout, 0))
		src.Log = func(name string, _ int, text string) { one = append(one, name+": "+text) }
	}
	if len(all) == 0 || len(one) == 0 || !strings.HasPrefix(all[0], "theirs: ") || !strings.HasPrefix(one[0], "its own: ") || len(all) != len(one) {
		t.Errorf("everybody's log has %q, its own %q", all, one)
	}
}
