package engine

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/policy"
)

// elsewhere is a Compiler that writes wazero's cache, as a child would.
type elsewhere struct {
	dir      string
	cpu      time.Duration // what each compile is said to take
	err      error
	refuse   []byte // is not compiled
	skip     bool   // the trampoline is not compiled
	compiled int
	loans    int
}

func (c *elsewhere) Dir() string { return c.dir }

func (c *elsewhere) Compile(ctx context.Context, _ string, wasm []byte, _ uint64) (func(), time.Duration, error) {
	if c.err != nil {
		return nil, c.cpu, c.err
	}
	if c.refuse != nil && bytes.Equal(wasm, c.refuse) {
		return nil, c.cpu, errors.New("refused")
	}
	if c.skip && bytes.Equal(wasm, trampolineModule()) {
		return func() {}, 0, nil
	}
	cache, err := wazero.NewCompilationCacheWithDir(c.dir)
	if err != nil {
		return nil, c.cpu, err
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache).WithDebugInfoEnabled(false))
	_, err = r.CompileModule(ctx, wasm)
	c.compiled++
	c.loans++
	return func() { c.loans-- }, c.cpu, errors.Join(err, r.Close(ctx), cache.Close(ctx))
}

func TestCompilerElsewhere(t *testing.T) {
	c := &elsewhere{dir: t.TempDir()}
	p := load(t, newEngine(t, Config{Compiler: c}), source(tiny().Bytes()))
	_, fault := p.Decide(at(0, 0))
	wantFault(t, "accept", fault, policy.FaultNone)
	if c.compiled != 1 || c.loans != 0 {
		t.Errorf("compiled %d times, %d loans are out", c.compiled, c.loans)
	}
}

func TestCompilerThatFails(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		e := newEngine(t, Config{Compiler: &elsewhere{dir: dir, err: errors.New("took 2s and more")}})
		_, err := e.Load(context.Background(), source(tiny().Bytes()))
		wantError(t, err, policy.FaultCompile, "compile: took 2s and more")
	}
}

// panics is a Compiler that has a fault, once.
type panics struct{ *elsewhere }

func (c panics) Compile(ctx context.Context, owner string, wasm []byte, effort uint64) (func(), time.Duration, error) {
	if c.compiled++; c.compiled == 1 {
		panic("a fault")
	}
	return c.elsewhere.Compile(ctx, owner, wasm, effort)
}

// TestCompilerThatPanics: nobody who comes with the same bytes waits for what
// has panicked.
func TestCompilerThatPanics(t *testing.T) {
	e := newEngine(t, Config{Compiler: panics{&elsewhere{dir: t.TempDir()}}})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the compiler did not panic")
			}
		}()
		_, _ = e.Load(t.Context(), source(tiny().Bytes()))
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := e.Load(ctx, source(tiny().Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
