package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"idlehost/host/internal/engine"
	"idlehost/host/internal/engine/compile"
	"idlehost/host/internal/engine/wasmtest"
	"idlehost/host/internal/worker"
	"idlehost/host/internal/worker/child"
	"idlehost/plugins"
)

// The arguments with which the test binary becomes a child.
const (
	compileEntry = "compile-apart"
	workerEntry  = "worker-apart"
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == compileEntry:
		err = compile.Child(os.Stdin, os.Stdout)
	case len(os.Args) > 1 && os.Args[1] == workerEntry:
		err = worker.Main(os.Args[2:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// newWorkers returns an engine and worker processes for it.
func newWorkers(t *testing.T) (*engine.Engine, *worker.Pool) {
	t.Helper()
	c, err := compile.New(context.Background(), compile.Config{Argv: []string{os.Args[0], compileEntry}, Dir: t.TempDir() + "/code"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{Compiler: compile.Loader{Compiler: c}})
	if err != nil {
		t.Fatal(err)
	}
	program := &worker.Program{
		Argv:     []string{os.Args[0], workerEntry},
		Settings: func() child.Settings { return child.Settings{Code: c.Dir(), MemoryPages: 128} },
	}
	p := worker.New(worker.Config{Engine: e, Start: program.Start})
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), e.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	return e, p
}

// TestCheckInAWorker says what a check in the host's process says, but for fuel
// that is used beside the questions, and the number of lines that are too many.
func TestCheckInAWorker(t *testing.T) {
	e, p := newWorkers(t)
	modules := map[string][]byte{
		"no module": []byte("\x00asm"),
		"trapping":  wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes(),
		"refusing":  wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Hook("_initialize", wasmtest.Unreachable())).Bytes(),
	}
	for _, name := range plugins.Names() {
		modules[name], _ = plugins.Lookup(name)
	}
	for name, wasm := range modules {
		here, err := Run(t.Context(), Input{Name: name, Wasm: wasm, On: e})
		if err != nil {
			t.Fatal(err)
		}
		quota := engine.NewQuota(engine.QuotaConfig{})
		apart, err := Run(t.Context(), Input{Name: name, Wasm: wasm, On: e, Workers: p, Quota: quota})
		if err != nil {
			t.Fatal(err)
		}
		if len(apart.Answers) > 0 && quota.Spent() == 0 {
			t.Errorf("%s: nobody pays", name)
		}
		a, b := strings.Split(said(t, here), "\n"), strings.Split(said(t, apart), "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Errorf("%s: line %d: here %s, apart %s", name, i, a[i], b[i])
				break
			}
		}
		if len(a) != len(b) {
			t.Errorf("%s: here %d lines, apart %d", name, len(a), len(b))
		}
	}
}

// said is a report without these.
func said(t *testing.T, r *Report) string {
	t.Helper()
	c := *r
	c.Fuel, c.LogDropped = Fuel{}, 0
	c.Answers = append([]Answer{}, r.Answers...)
	for i := range c.Answers {
		c.Answers[i].Fuel = 0
	}
	if r.Failure != nil {
		f := *r.Failure
		if f.Event != nil {
			e := *f.Event
			e.Fuel = 0
			f.Event = &e
		}
		c.Failure = &f
	}
	var b bytes.Buffer
	if err := c.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
