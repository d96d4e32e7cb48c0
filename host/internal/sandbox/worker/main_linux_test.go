package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/child"
)

// The arguments with which the test binary becomes a child.
const (
	compileEntry = "compile-apart"
	workerEntry  = "worker-apart"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case compileEntry:
			os.Exit(exitCode(compile.Child(os.Stdin, os.Stdout)))
		case workerEntry:
			os.Exit(exitCode(Main(os.Args[2:])))
		}
	}
	code := m.Run()
	if compiler.dir != "" {
		if err := errors.Join(compiler.compiler.Close(), os.RemoveAll(compiler.dir)); err != nil {
			code = exitCode(err)
		}
	}
	os.Exit(code)
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// compiler compiles for all tests.
var compiler struct {
	once     sync.Once
	compiler *compile.Compiler
	dir      string
	err      error
}

// startPool returns a pool of real processes, and the engine that prepares for it.
// Both are closed with the test.
func startPool(t testing.TB, cfg Config) (*Pool, *engine.Engine) {
	t.Helper()
	c := &compiler
	c.once.Do(func() {
		if c.dir, c.err = os.MkdirTemp("", "worker-"); c.err == nil {
			c.compiler, c.err = compile.New(context.Background(), compile.Config{Argv: []string{os.Args[0], compileEntry}, Dir: c.dir + "/code"})
		}
	})
	if c.err != nil {
		t.Fatal(c.err)
	}
	e, err := engine.New(t.Context(), engine.Config{Compiler: compile.Loader{Compiler: c.compiler}})
	if err != nil {
		t.Fatal(err)
	}
	program := &Program{
		Argv:     []string{os.Args[0], workerEntry},
		Settings: func() child.Settings { return child.Settings{Code: c.compiler.Dir(), MemoryPages: 128} },
	}
	cfg.Engine, cfg.Start = e, program.Start
	p := New(cfg)
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), e.Close()); err != nil {
			t.Error(err)
		}
	})
	return p, e
}
