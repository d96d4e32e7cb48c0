package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/hostile"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/sandbox/worker"
	"idlehost/host/internal/sandbox/worker/child"
	"idlehost/host/longtest"
	"idlehost/plugins"
	"idlehost/sdk/abi"
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

// newWorkers returns an engine with one turn, and worker processes for it, as as
// has them.
func newWorkers(t *testing.T, as func(worker.Process) worker.Process) (*engine.Engine, *worker.Pool) {
	t.Helper()
	c, err := compile.New(context.Background(), compile.Config{Argv: []string{os.Args[0], compileEntry}, Dir: t.TempDir() + "/code"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{Compiler: compile.Loader{Compiler: c}, Turns: fair.New(1)})
	if err != nil {
		t.Fatal(err)
	}
	program := &worker.Program{
		Argv:     []string{os.Args[0], workerEntry},
		Settings: func() child.Settings { return child.Settings{Code: c.Dir(), MemoryPages: 128} },
	}
	p := worker.New(worker.Config{Engine: e, Start: func(ctx context.Context, say worker.Says) (worker.Process, error) {
		p, err := program.Start(ctx, say)
		if err != nil {
			return nil, err
		}
		return as(p), nil
	}})
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), e.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	return e, p
}

// stateful counts in the state of a connection, and in what it has learned, and
// traps where the two come to a multiple of 16.
func stateful() []byte {
	const at, learned = wasmtest.Buffer + abi.EventStateOffset, 8192
	next := func(at uint32) []byte {
		return wasmtest.Store64(at, wasmtest.Code(wasmtest.Load64(at), wasmtest.Const64(1), wasmtest.Add64()))
	}
	fails := wasmtest.Code(wasmtest.Load64(at), wasmtest.Load64(learned), wasmtest.Add64(), wasmtest.Const64(15), []byte{0x83, 0x50}) // i64.and, i64.eqz
	return wasmtest.Guest(
		wasmtest.Returns("state_region", 8<<32|learned), wasmtest.Returns("state_format", 7),
		wasmtest.Hook("on_timeout", next(at), next(learned), fails, wasmtest.If(wasmtest.Unreachable()),
			wasmtest.Code(wasmtest.Load64(learned), wasmtest.Const64(wasmtest.Extend60s), wasmtest.Add64())),
	).Bytes()
}

// TestCheckInAWorker says what a check in the host's process says, fuel included,
// of every bundled policy, of those that fail, and of attacks.
func TestCheckInAWorker(t *testing.T) {
	e, p := newWorkers(t, func(p worker.Process) worker.Process { return p })
	type module struct {
		wasm   []byte
		params map[string]string
	}
	modules := map[string]module{
		"no module":         {wasm: []byte("\x00asm")},
		"traps at timeouts": {wasm: wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Hook("on_timeout", wasmtest.Unreachable())).Bytes()},
		"traps at the end":  {wasm: wasmtest.Guest(wasmtest.Func{Export: "on_close", Body: wasmtest.Unreachable()}).Bytes()},
		"does not start":    {wasm: wasmtest.Guest(wasmtest.Func{Export: "_initialize", Body: wasmtest.Unreachable()}).Bytes()},
		"counts":            {wasm: stateful()},
		"takes all":         {wasm: wasmtest.Guest(wasmtest.Hook("on_timeout", wasmtest.Forever())).Bytes()},
	}
	for _, name := range plugins.Names() {
		wasm, _ := plugins.Lookup(name)
		modules[name] = module{wasm: wasm}
	}
	sixths := longtest.Count(t, 1, 6, "sixths of the attacks")
	for i, a := range hostile.Corpus() {
		if raceSlow { // so is what the host does for a guest, which ends the worker
			break
		}
		if i%6 < sixths && a.Class != hostile.Compiler && a.Class != hostile.Decoder {
			modules["attack "+a.Name] = module{a.Wasm(), a.Params}
		}
	}
	for name, m := range modules {
		in := Input{Name: name, Wasm: m.wasm, Params: m.params, On: e}
		here := jsonText(t, reported(t, in))
		in.Workers = p
		var apart string
		for range 3 { // a busy machine may have a worker ended whose question takes 1 ms elsewhere
			in.Quota = engine.NewQuota(engine.QuotaConfig{})
			r := reported(t, in)
			if len(r.Answers) > 0 && in.Quota.Spent() == 0 {
				t.Errorf("%s: nobody pays", name)
			}
			if apart = jsonText(t, r); apart == here {
				break
			}
		}
		wantSameLines(t, name, here, apart)
	}
}

// reported returns what is found, but for how many lines were too many: what a
// worker does not tell as fast is dropped there.
func reported(t *testing.T, in Input) *Report {
	r := run(t, in)
	r.LogDropped = 0
	return r
}

func wantSameLines(t *testing.T, name, here, apart string) {
	t.Helper()
	a, b := strings.Split(here, "\n"), strings.Split(apart, "\n")
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
