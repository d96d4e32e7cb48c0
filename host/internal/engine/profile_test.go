package engine

import (
	"bytes"
	"errors"
	"testing"

	"idlehost/host/internal/engine/gate"
	. "idlehost/host/internal/engine/wasmtest"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

func TestProfile(t *testing.T) {
	one := []byte{I32}
	m := Guest(
		Func{Export: "_initialize", Body: bytes.Repeat(Code(Const32(1), Drop()), 20)},
		Func{Export: "configure_buffer", Params: one, Results: one, Body: Const32(4096)},
		Func{Export: "configure", Params: one, Results: one, Body: Const32(0)},
		Returns("state_region", 64<<32|8192), Returns("state_format", 7),
		Hook("on_timeout", Unreachable()),
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
		t.Errorf("without an instance: %+v", got)
	}
}

func TestInspect(t *testing.T) {
	e := newEngine(t, Config{ModuleBytes: 1000})
	wasm := Guest().Bytes()
	in, err := e.Inspect("guest", wasm)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Module.Exports()) != 5 || in.Metered <= len(wasm) {
		t.Errorf("%d exports, %d bytes metered of %d", len(in.Module.Exports()), in.Metered, len(wasm))
	}
	_, err = e.Inspect("guest", append(wasm, make([]byte, 1000)...))
	wantError(t, err, policy.FaultRefused, `policy "guest": gate: module at offset 0x0: has `)
	var r *gate.Refusal
	if !errors.As(err, &r) || r.Limit != 1000 {
		t.Errorf("no refusal with the limit in %v", err)
	}
	if b := e.Budgets(); b != (Budgets{Call: 400_000, Configure: 5_000_000, Init: 5_000_000, PerSecond: 50_000_000}) {
		t.Errorf("budgets %+v", b)
	}
}
