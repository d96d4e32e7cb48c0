package compile

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/sandbox/outline"
)

// goGuest builds a policy with Go: 1.8 to 2.3 MB.
func goGuest(b *testing.B) []byte {
	b.Helper()
	out := b.TempDir() + "/guest.wasm"
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, "../testdata/goguest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return wasm
}

// load has a Compiler compile o and a runtime load it.
func load(b *testing.B, compiler *Compiler, o Order) Report {
	ctx := context.Background()
	c, err := compiler.Compile(ctx, o)
	if err != nil {
		b.Fatal(err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(compiler.Dir())
	if err != nil {
		b.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache).WithDebugInfoEnabled(false))
	if _, err := r.CompileModule(ctx, o.Wasm); err != nil {
		b.Fatal(err)
	}
	c.Close()
	if err := r.Close(ctx); err != nil {
		b.Fatal(err)
	}
	if err := cache.Close(ctx); err != nil {
		b.Fatal(err)
	}
	return c.Report
}

// BenchmarkFirst loads what no child has compiled before: child, seal, load.
func BenchmarkFirst(b *testing.B) {
	for name, wasm := range guests(b) {
		b.Run(name, func(b *testing.B) {
			compiler := open(b, config(b))
			// A custom section makes the same code another module.
			n := byte(0)
			var mem int64
			for b.Loop() {
				n++
				r := load(b, compiler, Order{Wasm: append(wasm[:len(wasm):len(wasm)], 0, 3, 1, 'n', n)})
				if r.Cached {
					b.Fatal("cached")
				}
				mem = max(mem, r.Usage.MemoryBytes)
			}
			b.ReportMetric(float64(mem)/(1<<20), "child-MiB")
		})
	}
}

// BenchmarkKnown loads what is in the cache: seal, load.
func BenchmarkKnown(b *testing.B) {
	for name, wasm := range guests(b) {
		b.Run(name, func(b *testing.B) {
			compiler := open(b, config(b))
			var r Report
			for load(b, compiler, Order{Wasm: wasm}); b.Loop(); {
				r = load(b, compiler, Order{Wasm: wasm})
			}
			b.ReportMetric(float64(r.CodeBytes)/(1<<20), "code-MiB")
		})
	}
}

func guests(b *testing.B) map[string][]byte {
	b.Helper()
	small, err := os.ReadFile("../../../../plugins/adaptive.wasm")
	if err != nil {
		b.Fatal(err)
	}
	return map[string][]byte{"small": small, "go": goGuest(b)}
}

// BenchmarkOutline measures how long a runtime that is new takes to find code, by
// the module and by its outline.
func BenchmarkOutline(b *testing.B) {
	for name, wasm := range guests(b) {
		compiler := open(b, config(b))
		c, err := compiler.Compile(b.Context(), Order{Wasm: wasm})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		out, err := outline.Of(wasm)
		if err != nil {
			b.Fatal(err)
		}
		for way, wasm := range map[string][]byte{"whole": wasm, "outline": out} {
			b.Run(name+"/"+way, func(b *testing.B) {
				for b.Loop() {
					find(b, compiler.Dir(), wasm)
				}
			})
		}
	}
}

// find has a new runtime load code.
func find(b *testing.B, dir string, wasm []byte) {
	ctx := b.Context()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache).WithDebugInfoEnabled(false))
	if _, err := r.CompileModule(ctx, wasm); err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(r.Close(ctx), cache.Close(ctx)); err != nil {
		b.Fatal(err)
	}
}
