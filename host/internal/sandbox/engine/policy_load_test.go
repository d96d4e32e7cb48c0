package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
)

func TestLoadSaysWhatIsWrong(t *testing.T) {
	i32s := func(n int) []byte { return []byte(strings.Repeat(string([]byte{wasmtest.I32}), n)) }
	noMemory, tooBig := wasmtest.Guest(), wasmtest.Guest()
	noMemory.MemoryName = "ram"
	tooBig.Pages = 129
	imports := func(i wasmtest.Import) wasmtest.Module {
		m := wasmtest.Guest()
		m.Imports = []wasmtest.Import{i}
		return m
	}
	trap := wasmtest.Func{Export: "_initialize", Body: wasmtest.Unreachable()}
	for _, c := range []struct {
		name  string
		wasm  []byte
		fault policy.Fault
		want  string // in the error
	}{
		{"empty", nil, policy.FaultRefused, "gate: module at offset 0x0: is not a WebAssembly module of version 1"},
		{"text", []byte("(module)"), policy.FaultRefused, "is not a WebAssembly module"},
		{"cut short", wasmtest.Guest().Bytes()[:40], policy.FaultRefused, "gate: "},
		{"no version", wasmtest.Guest().Without("abi_version").Bytes(), policy.FaultRefused, `exports no function "abi_version" of type () -> (i32)`},
		{"no buffer", wasmtest.Guest().Without("event_buffer").Bytes(), policy.FaultRefused, `exports no function "event_buffer" of type () -> (i64)`},
		{"no hooks", wasmtest.Guest().Without("on_accept").Without("on_timeout").Bytes(), policy.FaultRefused, `exports no function "on_accept" of type () -> (i64)`},
		{"wrong result", wasmtest.Guest(wasmtest.Func{Export: "on_timeout", Results: []byte{wasmtest.I32}, Body: wasmtest.Const32(0)}).Bytes(), policy.FaultRefused, `exports "on_timeout" as () -> (i32), should be () -> (i64)`},
		{"wrong parameter", wasmtest.Guest(wasmtest.Func{Export: "on_close", Params: []byte{wasmtest.I64}}).Bytes(), policy.FaultRefused, `exports "on_close" as (i64) -> (), should be () -> ()`},
		{"half a configure", wasmtest.Guest(wasmtest.Func{Export: "configure", Params: []byte{wasmtest.I32}, Results: []byte{wasmtest.I32}, Body: wasmtest.Const32(0)}).Bytes(), policy.FaultRefused, `exports "configure" without "configure_buffer"`},
		{"format without state", wasmtest.Guest(wasmtest.Returns("state_format", 1)).Bytes(), policy.FaultRefused, `exports "state_format" without "state_region"`},
		{"command", wasmtest.Guest(wasmtest.Func{Export: "_start"}).Bytes(), policy.FaultRefused, `exports "_start": a policy is a library`},
		{"no memory", noMemory.Bytes(), policy.FaultRefused, `exports no memory "memory"`},
		{"memory too big", tooBig.Bytes(), policy.FaultMemory, "gate: memory section at offset 0x1d: memory begins with 129 pages of 64 KiB; the limit is 128"},
		{"foreign module", imports(wasmtest.Import{Module: "sys", Name: "open"}).Bytes(), policy.FaultRefused, `imports function "open" from "sys"; a policy may import env (abort), idlehost (log), wasi_snapshot_preview1 (args_get, `},
		{"foreign WASI", imports(wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "path_open", Params: i32s(9), Results: i32s(1)}).Bytes(), policy.FaultRefused, `imports function "path_open" from "wasi_snapshot_preview1"`},
		{"import of wrong type", imports(wasmtest.Import{Module: "idlehost", Name: "log", Params: i32s(2)}).Bytes(), policy.FaultRefused, "imports idlehost.log as (i32, i32) -> (), should be (i32, i32, i32) -> ()"},
		{"version 0", wasmtest.Guest(wasmtest.Func{Export: "abi_version", Results: []byte{wasmtest.I32}, Body: wasmtest.Const32(0)}).Bytes(), policy.FaultRefused, "is written for version 0 of the ABI, this host speaks 1 to 1"},
		{"version 2", wasmtest.Guest(wasmtest.Func{Export: "abi_version", Results: []byte{wasmtest.I32}, Body: wasmtest.Const32(2)}).Bytes(), policy.FaultRefused, "version 2"},
		{"small buffer", wasmtest.Guest(wasmtest.Returns("event_buffer", 63<<32|wasmtest.Buffer)).Bytes(), policy.FaultRefused, "event buffer of 63 bytes at 1024 is smaller than 64 bytes"},
		{"unaligned buffer", wasmtest.Guest(wasmtest.Returns("event_buffer", 64<<32|1028)).Bytes(), policy.FaultRefused, "address 1028 is not a multiple of 8"},
		{"buffer past the end", wasmtest.Guest(wasmtest.Returns("event_buffer", 64<<32|65480)).Bytes(), policy.FaultRefused, "bytes 65480 to 65544 are outside the memory of 65536 bytes"},
		{"buffer that wraps", wasmtest.Guest(wasmtest.Returns("event_buffer", -8)).Bytes(), policy.FaultRefused, "outside the memory"},
		{"state too large", wasmtest.Guest(wasmtest.Returns("state_region", 65537<<32)).Bytes(), policy.FaultRefused, "learned state of 65537 bytes at 0 is larger than 65536 bytes"},
		{"state past the end", wasmtest.Guest(wasmtest.Returns("state_region", 16<<32|65528)).Bytes(), policy.FaultRefused, "learned state of 16 bytes at 65528: bytes 65528 to 65544 are outside"},
		{"trap at init", wasmtest.Guest(trap).Bytes(), policy.FaultInit, "_initialize: wasm error: unreachable"},
		{"name of the host's own", wasmtest.Guest(wasmtest.Func{Export: "idlehost:x"}).Bytes(), policy.FaultRefused, `names that begin with "idlehost:" are the host's own`},
		{"trap in version", wasmtest.Guest(wasmtest.Func{Export: "abi_version", Results: []byte{wasmtest.I32}, Body: wasmtest.Unreachable()}).Bytes(), policy.FaultRefused, "abi_version: wasm error: unreachable"},
		{"data outside memory", withData(wasmtest.Guest(), wasmtest.Data{Offset: 65535, Bytes: []byte("xy")}).Bytes(), policy.FaultInit, "instantiate: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEngine(t, Config{})
			p, err := e.Load(context.Background(), source(c.wasm))
			if p != nil || err == nil {
				t.Fatalf("loaded")
			}
			wantError(t, err, c.fault, c.want)
			if n := len(e.policies); n != 0 {
				t.Errorf("%d policies are left open", n)
			}
		})
	}
}

func withData(m wasmtest.Module, d wasmtest.Data) wasmtest.Module {
	m.Data = append(m.Data, d)
	return m
}

func wantError(t *testing.T, err error, fault policy.Fault, text string) {
	t.Helper()
	var fe *FaultError
	if !errors.As(err, &fe) {
		t.Fatalf("%v is no *FaultError", err)
	}
	if fe.Fault != fault {
		t.Errorf("fault is %v, should be %v", fe.Fault, fault)
	}
	if !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), `policy "guest": `) {
		t.Errorf("error is\n\t%v\nshould hold\n\t%s", err, text)
	}
}

func TestLoadCapsTheModule(t *testing.T) {
	wasm := wasmtest.Guest().Bytes()
	e := newEngine(t, Config{ModuleBytes: len(wasm) - 1})
	_, err := e.Load(context.Background(), source(wasm))
	wantError(t, err, policy.FaultRefused, "the limit is")
	load(t, newEngine(t, Config{ModuleBytes: len(wasm)}), source(wasm))
}

func TestErrorsStaySmall(t *testing.T) {
	m := wasmtest.Guest()
	for range 5000 {
		m.Imports = append(m.Imports, wasmtest.Import{Module: strings.Repeat("m", 500), Name: "\n\xff"})
	}
	_, err := newEngine(t, Config{}).Load(context.Background(), source(m.Bytes()))
	if err == nil || len(err.Error()) > 2*maxReason || strings.Contains(err.Error(), "\n") {
		t.Errorf("error of %d bytes: %v", len(err.Error()), err)
	}
}

// TestInitializeRunsFirst: the buffer's address comes out of a global that
// _initialize sets.
func TestInitializeRunsFirst(t *testing.T) {
	m := wasmtest.Guest(
		wasmtest.Func{Export: "_initialize", Body: wasmtest.Code(wasmtest.Const64(64<<32|2048), wasmtest.GlobalSet(0))},
		wasmtest.Hook("event_buffer", wasmtest.GlobalGet(0)),
	)
	m.Globals = []int64{0}
	p := loadGuest(t, m)
	_, fault := p.Decide(at(0, 0))
	wantFault(t, "accept", fault, policy.FaultNone)
}

func TestModulesCannotReachOneAnother(t *testing.T) {
	e := newEngine(t, Config{})
	load(t, e, Source{Name: "idlehost", Wasm: wasmtest.Guest().Bytes()})
	m := wasmtest.Guest()
	m.Imports = []wasmtest.Import{{Module: "idlehost", Name: "on_accept", Results: []byte{wasmtest.I64}}}
	_, err := e.Load(context.Background(), source(m.Bytes()))
	wantError(t, err, policy.FaultRefused, `imports function "on_accept" from "idlehost"`)
}
