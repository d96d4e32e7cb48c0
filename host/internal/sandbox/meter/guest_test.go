package meter

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"idlehost/host/longtest"
)

// buildC compiles a C file, or skips the test.
func buildC(t testing.TB, source string) []byte {
	t.Helper()
	if _, err := exec.LookPath("wasm-ld"); err != nil {
		t.Skip("wasm-ld is not installed")
	}
	return build(t, nil, "clang", "--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", source, "-o")
}

// buildGo compiles a guest in Go.
func buildGo(t testing.TB, pkg string) []byte {
	t.Helper()
	return build(t, []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS="}, "go", "build", "-buildmode=c-shared", "-o", "", pkg)
}

// build runs a tool that writes a module to its last or its empty argument.
func build(t testing.TB, env []string, tool string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed", tool)
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	placed := false
	for i, a := range args {
		if a == "" {
			args[i], placed = out, true
		}
	}
	if !placed {
		args = append(args, out)
	}
	cmd := exec.Command(tool, args...)
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, text)
	}
	return read(t, out)
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// provide gives both worlds what policies import.
func (w worlds) provide(t testing.TB) worlds {
	t.Helper()
	for i := range w {
		provide(t, w[i])
	}
	return w
}

func provide(t testing.TB, r wazero.Runtime) {
	t.Helper()
	wasi_snapshot_preview1.MustInstantiate(context.Background(), r)
	nothing := api.GoModuleFunc(func(context.Context, api.Module, []uint64) {})
	i32 := api.ValueTypeI32
	if _, err := r.NewHostModuleBuilder("idlehost").NewFunctionBuilder().
		WithGoModuleFunction(nothing, []api.ValueType{i32, i32, i32}, nil).Export("log").
		Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// start instantiates one module and runs its _initialize.
func start(t testing.TB, wasm []byte) api.Module {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigCompiler())
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	provide(t, r)
	m, err := r.InstantiateWithConfig(context.Background(), wasm, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// slow returns some of the work that takes long, since the race detector makes
// the compiler, which is not tested here, ten times slower; all of it in a long
// run.
func slow[T any](t *testing.T, all []T, some int, what string) []T {
	t.Helper()
	return all[:longtest.Count(t, some, len(all), what)]
}

// TestGuests asks the policies in the tree, plain and metered, about the same
// events: they answer, trap and remember the same.
func TestGuests(t *testing.T) {
	guests := map[string][]byte{}
	for _, name := range []string{"fixed", "adaptive", "pressure"} {
		guests[name] = read(t, "../../../../plugins/"+name+".wasm")
	}
	for _, name := range slow(t, []string{"adaptive-go", "hello-go"}, 0, "guests built by Go") {
		guests[name] = buildGo(t, "../../../../examples/"+name)
	}
	for name, wasm := range guests {
		t.Run(name, func(t *testing.T) {
			p, err := newWorlds(t).provide(t).instantiate(t, wasm, "")
			if err != nil {
				t.Fatal(err)
			}
			if p.plain.ExportedFunction("_initialize") != nil {
				if _, used, err := p.call("_initialize"); err != nil {
					t.Fatal(err)
				} else {
					t.Logf("_initialize takes %d fuel", used)
				}
			}
			most := p.ask(t, 200)
			t.Logf("an answer takes at most %d fuel", most)
		})
	}
}

// ask writes events of random bytes, and returns the most fuel of an answer.
func (p pair) ask(t *testing.T, n int) (most int64) {
	t.Helper()
	place, _, err := p.call("event_buffer")
	if err != nil {
		t.Fatal(err)
	}
	addr, size := uint32(place[0]), uint32(place[0]>>32)
	r := rand.New(rand.NewPCG(1, 2))
	event := make([]byte, size)
	for range n {
		for i := range event {
			event[i] = byte(r.Uint32() >> r.IntN(32)) // small numbers more often
		}
		p.plain.Memory().Write(addr, event)
		p.metered.Memory().Write(addr, event)
		for _, hook := range []string{"on_accept", "on_timeout", "on_close"} {
			if p.plain.ExportedFunction(hook) == nil {
				continue
			}
			_, used, err := p.call(hook)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, used)
		}
	}
	return most
}

// TestComputing: a tight loop, a sort and a recursion give the same results.
func TestComputing(t *testing.T) {
	p, err := newWorlds(t).instantiate(t, buildC(t, "testdata/compute.c"), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field string
		args  []uint64
	}{{"prepare", nil}, {"crc", []uint64{1}}, {"sort", []uint64{7}}, {"fib", []uint64{12}}, {"add", []uint64{1000}}} {
		if _, _, err := p.call(c.field, c.args...); err != nil {
			t.Error(err)
		}
	}
}
