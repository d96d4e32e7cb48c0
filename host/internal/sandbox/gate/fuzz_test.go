package gate

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/sandbox/gate/gatetest"
	"idlehost/host/internal/sandbox/hostile"
)

// tight limits keep what is let in cheap to compile.
func tight() Limits {
	return Limits{ModuleBytes: 64 << 10, Effort: 1 << 20, Functions: 1000, Tables: 4, TableEntries: 1000, MemoryPages: 16}
}

// compiler compiles with the features that the gate lets in.
func compiler(t testing.TB) wazero.Runtime {
	cfg := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2 &^ api.CoreFeatureSIMD)
	r := wazero.NewRuntimeWithConfig(context.Background(), cfg)
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

// FuzzCheck: nothing panics, a refusal says where, and what is let in is a
// valid module for the compiler behind the gate.
func FuzzCheck(f *testing.F) {
	scripts, _ := gatetest.Suite("v2")
	for _, s := range scripts {
		for _, c := range s.Commands {
			if wasm, err := os.ReadFile(c.Filename); err == nil && c.Binary() && len(wasm) < 2000 && c.Line%21 == 0 {
				f.Add(wasm)
			}
		}
	}
	for i := range 16 {
		f.Add(gatetest.Generate([]byte{byte(i), byte(7 * i), 3, 5, byte(i * i), 99, 3, 77, 21, 200, 4}).Wasm)
	}
	for _, wasm := range hostile.Seeds(4 << 10) {
		f.Add(wasm)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := Check(wasm, tight(), Contract{AnyImport: true})
		var r *Refusal
		if err != nil && (!errors.As(err, &r) || r.Offset < 0 || r.Offset > int64(len(wasm)) || r.Rule == "" || r.Text == "") {
			t.Fatalf("got %#v", err)
		}
		if err != nil {
			return
		}
		code, err := compiler(t).CompileModule(context.Background(), stripped(m))
		if err != nil && strings.Contains(err.Error(), "empty module name") {
			return // valid, but wazero's rule; no contract but AnyImport allows it
		}
		if err != nil {
			t.Fatalf("let in, but: %v", err)
		}
		_ = code.Close(context.Background())
	})
}

// stripped returns a module without its custom sections, as the meter leaves them
// out.
func stripped(m *Module) []byte {
	out := bytes.Clone(m.Bytes()[:8])
	for _, s := range m.Sections() {
		content := m.Bytes()[s.Start:s.End]
		out = binary.AppendUvarint(append(out, byte(s.ID)), uint64(len(content)))
		out = append(out, content...)
	}
	return out
}

// TestGenerated: the generator's modules are valid, and pass.
func TestGenerated(t *testing.T) {
	for i := range 2000 {
		seed := make([]byte, 300)
		for j := range seed {
			seed[j] = byte((i*31 + j*j*17 + i*j*7) >> 2)
		}
		if _, err := Check(gatetest.Generate(seed).Wasm, Limits{}, Contract{}); err != nil {
			t.Fatalf("seed %d: %v", i, err)
		}
	}
}

// TestPolicies: the policies that come with the host pass with the defaults.
func TestPolicies(t *testing.T) {
	files, err := filepath.Glob("../../../../plugins/*.wasm")
	if err != nil || len(files) == 0 {
		t.Skip("no policies are built")
	}
	for _, name := range files {
		wasm, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Check(wasm, Limits{}, policies()); err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
}

// policies is the contract of sdk/ABI.md.
func policies() Contract {
	a, b, v := []ValType{I32}, []ValType{I64}, []ValType{I32, I32, I32, I32}
	wasi := func(name string, params ...ValType) Import {
		return Import{"wasi_snapshot_preview1", name, FuncType{Params: params, Results: a}}
	}
	return Contract{
		Imports: []Import{
			{"idlehost", "log", FuncType{Params: v[:3]}}, {"env", "abort", FuncType{Params: v}},
			{"wasi_snapshot_preview1", "proc_exit", FuncType{Params: a}},
			wasi("sched_yield"), wasi("args_get", I32, I32), wasi("args_sizes_get", I32, I32),
			wasi("environ_get", I32, I32), wasi("environ_sizes_get", I32, I32),
			wasi("clock_time_get", I32, I64, I32), wasi("random_get", I32, I32), wasi("poll_oneoff", v...),
			wasi("fd_write", v...), wasi("fd_close", I32), wasi("fd_fdstat_get", I32, I32),
			wasi("fd_fdstat_set_flags", I32, I32), wasi("fd_prestat_get", I32, I32), wasi("fd_prestat_dir_name", v[:3]...),
		},
		Exports: []Export{
			{Name: "abi_version", Presence: Required, Type: FuncType{Results: a}},
			{Name: "event_buffer", Presence: Required, Type: FuncType{Results: b}},
			{Name: "on_accept", Presence: Required, Type: FuncType{Results: b}},
			{Name: "on_timeout", Presence: Required, Type: FuncType{Results: b}},
			{Name: "on_close"}, {Name: "_initialize"}, {Name: "_start", Presence: Forbidden},
			{Name: "configure_buffer", Type: FuncType{Params: a, Results: a}, With: "configure"},
			{Name: "configure", Type: FuncType{Params: a, Results: a}, With: "configure_buffer"},
			{Name: "state_region", Type: FuncType{Results: b}},
			{Name: "state_format", Type: FuncType{Results: b}, With: "state_region"},
		},
		Memory: "memory",
	}
}

// TestGoPolicy: a policy built by Go passes with the defaults.
func TestGoPolicy(t *testing.T) {
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, "../../../../examples/hello-go")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Check(wasm, Limits{}, policies())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d functions, effort %d of %d", len(wasm), len(m.Bodies()), m.Effort(), Limits{}.withDefaults().Effort)
	if e := m.Effort(); e > uint64(Limits{}.withDefaults().Effort)*6/7 {
		t.Errorf("effort %d is near the limit: policies that do more will be refused", e)
	}
}
