package compile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/confine"
	"idlehost/host/internal/sandbox/wasmtest"
)

// compile is Compile for modules that must pass.
func compile(t testing.TB, compiler *Compiler, o Order) *Code {
	t.Helper()
	c, err := compiler.Compile(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// files lists what lies below a folder.
func files(t testing.TB, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func (compiler *Compiler) loans(t testing.TB) []string {
	t.Helper()
	return files(t, compiler.Dir()+"/"+compiler.child.sub)
}

// ask loads what the Compiler has compiled, as an engine does.
func ask(t testing.TB, compiler *Compiler, o Order) uint64 {
	t.Helper()
	ctx := t.Context()
	cache, err := wazero.NewCompilationCacheWithDir(compiler.Dir())
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close(ctx)
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().
		WithCompilationCache(cache).WithDebugInfoEnabled(false).WithCloseOnContextDone(o.Stoppable))
	defer r.Close(ctx)
	m, err := r.Instantiate(ctx, o.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.ExportedFunction("on_accept").Call(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestLoadingFindsTheCodeOfTheChild(t *testing.T) {
	compiler := open(t, config(t))
	for _, stoppable := range []bool{false, true} {
		o := Order{Wasm: plain(1), Stoppable: stoppable}
		c := compile(t, compiler, o)
		if !c.Report.Apart || c.Report.Cached || c.Report.CodeBytes == 0 || c.Report.Usage.CPU == 0 || c.Report.Usage.MemoryBytes == 0 || c.Report.NotKept != nil {
			t.Errorf("report is %+v, want code that a child has compiled, with its usage, and that was kept", c.Report)
		}
		// wazero adds a file for what it has to compile.
		before := compiler.loans(t)
		if want := map[bool]int{false: 2, true: 1}[stoppable]; len(before) != want { // its outline has a name of its own
			t.Fatalf("on loan: %v", before)
		}
		if v := ask(t, compiler, o); v != wasmtest.Extend60s {
			t.Errorf("answer %#x", v)
		}
		if after := compiler.loans(t); !slices.Equal(before, after) {
			t.Errorf("stoppable %v: this process compiled: %v", stoppable, after)
		}
		c.Close()
		c.Close()
		if left := compiler.loans(t); len(left) != 0 {
			t.Errorf("still on loan: %v", left)
		}
	}
}

func TestCodeOutlivesTheCompiler(t *testing.T) {
	cfg := config(t)
	o := Order{Wasm: plain(1)}
	first, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	compile(t, first, o)
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	if left := files(t, cfg.Dir+"/"+sessions); len(left) != 0 {
		t.Errorf("sessions left: %v", left)
	}
	if _, err := first.Compile(t.Context(), o); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}

	second := open(t, cfg)
	if c := compile(t, second, o); !c.Report.Cached || c.Report.CodeBytes == 0 || c.Report.ModuleBytes != len(o.Wasm) {
		t.Errorf("report is %+v, want code from the cache for a module of %d bytes", c.Report, len(o.Wasm))
	}
	if v := ask(t, second, o); v != wasmtest.Extend60s {
		t.Errorf("answer %#x", v)
	}
	cfg.Version = "another"
	if c := compile(t, open(t, cfg), o); c.Report.Cached {
		t.Error("code made from another version's module is used")
	}
}

func TestEqualOrdersAreCompiledOnce(t *testing.T) {
	compiler := open(t, config(t))
	const n = 16
	var reports [n]Report
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c, err := compiler.Compile(t.Context(), Order{Wasm: longCode(20000)})
			if err != nil {
				t.Error(err)
				return
			}
			reports[i] = c.Report
			c.Close()
		})
	}
	wg.Wait()
	children := map[time.Duration]bool{}
	for _, r := range reports {
		if !r.Cached {
			children[r.Usage.Wall] = true
		}
	}
	if len(children) != 1 {
		t.Errorf("%d children", len(children))
	}
	if left := compiler.loans(t); len(left) != 0 {
		t.Errorf("still on loan: %v", left)
	}
}

func TestBadModulesAreRefused(t *testing.T) {
	compiler := open(t, config(t))
	for _, wasm := range [][]byte{nil, []byte("hello"), []byte("\x00asm\x01\x00\x00\x00\x07\x07"), plain(1)[:100]} {
		_, err := compiler.Compile(t.Context(), Order{Wasm: wasm})
		var e *Error
		if !errors.As(err, &e) || e.Fault != policy.FaultRefused || e.Limit != "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.20q: %v", wasm, err)
		}
	}
	compile(t, compiler, Order{Wasm: plain(1)})
	compile(t, compiler, Order{Wasm: probeModule()})
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	cfg := config(t)
	compiler := open(t, cfg)
	var keys []string
	hour := time.Now().Add(-time.Hour)
	for i := range 3 {
		o := Order{Wasm: plain(int64(i))}
		compile(t, compiler, o).Close()
		keys = append(keys, o.key(compiler.child.maker))
		if err := os.Chtimes(compiler.entry(keys[i]), hour, hour.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if c := compile(t, compiler, Order{Wasm: plain(0)}); !c.Report.Cached {
		t.Error("not cached")
	}
	info, err := os.Stat(compiler.entry(keys[0]))
	if err != nil {
		t.Fatal(err)
	}
	compiler.child.store.limit = 3*info.Size() + 10
	compile(t, compiler, Order{Wasm: plain(3)})
	left := files(t, cfg.Dir+"/"+entries)
	if len(left) != 3 || slices.Contains(left, keys[1]) || !slices.Contains(left, keys[0]) {
		t.Errorf("left %v of %v", left, keys)
	}
}

func (compiler *Compiler) entry(key string) string {
	return compiler.child.path + "/" + entries + "/" + key
}

func TestCodeThatCannotBeKeptIsUsed(t *testing.T) {
	cfg := config(t)
	compiler := open(t, cfg)
	if err := os.RemoveAll(cfg.Dir + "/" + entries); err != nil {
		t.Fatal(err)
	}
	o := Order{Wasm: plain(1)}
	if c := compile(t, compiler, o); c.Report.NotKept == nil {
		t.Error("it was kept in a folder that is gone")
	}
	if v := ask(t, compiler, o); v != wasmtest.Extend60s {
		t.Errorf("answer %#x", v)
	}
}

// TestFolderIsClearedAway: there are programs that tidy up what has long been
// there.
func TestFolderIsClearedAway(t *testing.T) {
	cfg := config(t)
	compiler := open(t, cfg)
	fds := descriptors(t)
	session := filepath.Dir(compiler.Dir())
	for i, gone := range []string{cfg.Dir, cfg.Dir + "/" + sessions, session, compiler.Dir(), compiler.Dir() + "/" + compiler.child.sub} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
		o := Order{Wasm: plain(int64(i))}
		c := compile(t, compiler, o)
		before := compiler.loans(t)
		if v := ask(t, compiler, o); v != wasmtest.Extend60s {
			t.Errorf("without %s: answer %#x", gone, v)
		}
		if after := compiler.loans(t); !slices.Equal(before, after) {
			t.Errorf("without %s: this process compiled: %v", gone, after)
		}
		c.Close()
		c = compile(t, compiler, o)
		if !c.Report.Cached {
			t.Errorf("without %s: not kept", gone)
		}
		c.Close()
	}
	if n := descriptors(t); n != fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
}

func TestWithoutMeansSmallModulesPass(t *testing.T) {
	for name, tt := range map[string]struct {
		argv []string
		why  string
	}{
		"no entry":     {nil, "no entry"},
		"wrong entry":  {[]string{os.Args[0], "-test.run=^$"}, "nonsense"},
		"failing":      {[]string{os.Args[0], "-test.nope"}, "exit status 2"},
		"entry itself": {[]string{os.Args[0], entry}, "is a child itself"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "entry itself" {
				t.Setenv(marker, "1,1,1,1")
			}
			cfg := config(t)
			cfg.Argv = tt.argv
			compiler, err := New(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer compiler.Close()
			c := compiler.Capability()
			if c.Apart || compiler.Dir() != "" || !strings.Contains(c.String(), tt.why) {
				t.Errorf("%q: %s", compiler.Dir(), c)
			}
			if c := compile(t, compiler, Order{Wasm: plain(1)}); c.Report.Apart {
				t.Error("apart")
			}
			var e *Error
			if _, err := compiler.Compile(t.Context(), Order{Wasm: longCode(20000)}); !errors.As(err, &e) || e.Limit != "size" || e.Fault != policy.FaultCompile {
				t.Errorf("large: %v", err)
			}
			if err := compiler.Close(); err != nil {
				t.Error(err)
			}
			if _, err := compiler.Compile(t.Context(), Order{Wasm: plain(1)}); !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

func TestOnlyACompilerStartsAChild(t *testing.T) {
	var out strings.Builder
	if err := Child(strings.NewReader("x"), &out); !errors.Is(err, confine.ErrNotStarted) || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}

// TestHammer has everything at once: equal and other orders, callers that
// leave early, and the end.
func TestHammer(t *testing.T) {
	cfg := config(t)
	cfg.Parallel = 2
	compiler := open(t, cfg)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				if j%3 == 0 {
					cancel()
				}
				c, err := compiler.Compile(ctx, Order{Wasm: plain(int64((i + j) % 5))})
				if err == nil {
					c.Close()
				} else if !errors.Is(err, context.Canceled) {
					t.Error(fmt.Errorf("%d.%d: %w", i, j, err))
				}
				cancel()
			}
		})
	}
	wg.Wait()
	eventually(t, "nothing on loan", func() bool { return len(compiler.loans(t)) == 0 })
}
