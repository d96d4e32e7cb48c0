package engine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// prepare has an engine that compiles elsewhere prepare a source.
func prepare(t testing.TB, e *Engine, src Source) *Prepared {
	t.Helper()
	var p *Prepared
	if err := e.Do(t.Context(), src, func(j *Job) (err error) {
		p, err = j.Prepare()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

// lend puts the code of p on loan.
func lend(t testing.TB, e *Engine, p *Prepared) {
	t.Helper()
	if err := e.Do(t.Context(), Source{Name: p.Name}, func(j *Job) error { return j.Lend(p) }); err != nil {
		t.Fatal(err)
	}
}

// adopters returns an engine that prepares, and one as a worker has it.
func adopters(t testing.TB) (host, worker *Engine, c *elsewhere) {
	t.Helper()
	c = &elsewhere{dir: t.TempDir()}
	return newEngine(t, Config{Compiler: c}), newEngine(t, Config{Code: c.dir}), c
}

// readOnly takes the right to write from every folder of the code.
func readOnly(t testing.TB, dir string) {
	t.Helper()
	for _, d := range append(glob(t, dir+"/*"), dir) {
		if err := os.Chmod(d, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(d, 0o700) })
	}
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// counting counts accepts in its learned state, takes parameters, and repeats them.
func counting() wasmtest.Module {
	const at = 8192
	return wasmtest.Guest(
		wasmtest.Returns("state_region", 8<<32|at),
		wasmtest.Returns("state_format", 7),
		wasmtest.Hook("on_accept",
			wasmtest.Store64(at, wasmtest.Code(wasmtest.Load64(at), wasmtest.Const64(1), wasmtest.Add64())), wasmtest.Const64(wasmtest.Extend60s)),
		wasmtest.Returns("on_timeout", wasmtest.Extend60s),
	)
}

// TestAdoptedPolicyAnswersAsALoadedOne does: verdict, fuel, learned state and profile.
func TestAdoptedPolicyAnswersAsALoadedOne(t *testing.T) {
	host, worker, c := adopters(t)
	src := source(counting().Bytes())
	src.State = State{Format: 7, Bytes: []byte{41, 0, 0, 0, 0, 0, 0, 0}}
	p := prepare(t, host, src)
	lend(t, host, p)
	readOnly(t, c.dir)
	adopted, err := worker.Adopt(t.Context(), p, src.State, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
	if c.loans != 0 || p.OnLoan() {
		t.Errorf("%d loans are out", c.loans)
	}
	loaded := load(t, newEngine(t, Config{}), src)
	if adopted.Profile() != loaded.Profile() || adopted.Digest() != loaded.Digest() || adopted.Digest() != p.Digest() {
		t.Errorf("adopted %+v of %s, want %+v of %s, as loaded", adopted.Profile(), adopted.Digest(), loaded.Profile(), loaded.Digest())
	}
	for n := range 3 {
		raw, fault, took := adopted.Answer(at(abi.KindAccept, uint64(n)*2000))
		got, err := CheckReply(raw)
		if err != nil || fault != policy.FaultNone {
			t.Fatal(err, fault)
		}
		before := loaded.Stats().FuelSpent
		want, _ := loaded.Decide(at(abi.KindAccept, uint64(n)*2000))
		if used := loaded.Stats().FuelSpent - before; got != want || took.All != used || took.Hook == 0 || took.Hook > used {
			t.Errorf("adopted %+v for %d units, loaded %+v for %d", got, took.All, want, used)
		}
	}
	if got := adopted.State(); got.Format != 7 || got.Bytes[0] != 44 || !adopted.Stats().Restored {
		t.Errorf("state is %+v, want format 7 and 44 in the first byte, restored", got)
	}
}

// TestAdoptNeverCompiles: where the code is missing, of the module or of the
// trampoline, that is an error, and nobody's fault, and nothing is written.
func TestAdoptNeverCompiles(t *testing.T) {
	for _, missing := range []string{"all", "module", "trampoline"} {
		t.Run(missing, func(t *testing.T) {
			host, worker, c := adopters(t)
			src := source(counting().Bytes())
			p := prepare(t, host, src)
			if c.compiled != 0 {
				t.Fatal("preparing compiles")
			}
			switch missing {
			case "module":
				other := prepare(t, host, source(tiny().Bytes()))
				lend(t, host, other)
			case "trampoline":
				c.skip = true
				lend(t, host, p)
			}
			before := len(glob(t, c.dir+"/*/*"))
			_, err := worker.Adopt(t.Context(), p, State{}, nil)
			if !errors.Is(err, ErrNoCode) {
				t.Errorf("error is %v", err)
			}
			wantError(t, err, policy.FaultBusy, "code is not there")
			if now := len(glob(t, c.dir+"/*/*")); now != before {
				t.Errorf("%d files, then %d", before, now)
			}
			c.skip = false
			lend(t, host, p)
			if _, err := worker.Adopt(t.Context(), p, State{}, nil); err != nil {
				t.Errorf("when it is there: %v", err)
			}
		})
	}
}

// TestAdoptSharesCode with what is in use, without its Wasm.
func TestAdoptSharesCode(t *testing.T) {
	host, worker, c := adopters(t)
	p := prepare(t, host, source(counting().Bytes()))
	bare := &Prepared{Name: p.Name, MemoryPages: p.MemoryPages, Metered: &Metered{Digest: p.Metered.Digest}}
	if _, err := worker.Adopt(t.Context(), bare, State{}, nil); !errors.Is(err, ErrNoCode) {
		t.Errorf("without code: %v", err)
	}
	lend(t, host, p)
	first, err := worker.Adopt(t.Context(), p, State{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	second, err := worker.Adopt(t.Context(), bare, State{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.code != second.code {
		t.Error("equal bytes have code of their own")
	}
}

// TestAdoptTellsWhatALoadTells of a policy that does not come to life.
func TestAdoptTellsWhatALoadTells(t *testing.T) {
	host, worker, _ := adopters(t)
	src := source(tiny().Bytes())
	src.Params = map[string]string{"a": "b"}
	p := prepare(t, host, src)
	lend(t, host, p)
	_, got := worker.Adopt(t.Context(), p, State{}, nil)
	_, want := newEngine(t, Config{}).Load(t.Context(), src)
	if got == nil || want == nil || got.Error() != want.Error() {
		t.Errorf("adopt: %v\nload: %v", got, want)
	}
	p.Release()
}

// TestPrepareRefuses what Load refuses, with the same words.
func TestPrepareRefuses(t *testing.T) {
	host, _, _ := adopters(t)
	for name, src := range map[string]Source{
		"gate":       source([]byte("no module")),
		"size":       source(make([]byte, 5<<20)),
		"parameters": {Name: "guest", Wasm: tiny().Bytes(), Params: map[string]string{"a=": "b"}},
		"memory":     {Name: "guest", Wasm: wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Returns("on_timeout", 0)).Bytes(), MemoryPages: 1},
	} {
		err := host.Do(t.Context(), src, func(j *Job) error {
			_, err := j.Prepare()
			return err
		})
		_, want := newEngine(t, Config{}).Load(t.Context(), src)
		if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
			t.Errorf("%s: prepare: %v\nload: %v", name, err, want)
		}
	}
}

// TestNothingIsLentWithoutAFolder: a worker would find nothing.
func TestNothingIsLentWithoutAFolder(t *testing.T) {
	for _, c := range []Compiler{nil, &elsewhere{}} {
		e := newEngine(t, Config{Compiler: c})
		p := prepare(t, e, source(tiny().Bytes()))
		err := e.Do(t.Context(), Source{Name: "guest"}, func(j *Job) error { return j.Lend(p) })
		wantError(t, err, policy.FaultBusy, "no worker finds their code")
	}
}

// TestFailedLoanGivesBack what was lent before it.
func TestFailedLoanGivesBack(t *testing.T) {
	host, _, c := adopters(t)
	p := prepare(t, host, source(tiny().Bytes()))
	c.refuse = p.Metered.Wasm
	err := host.Do(t.Context(), Source{Name: "guest"}, func(j *Job) error { return j.Lend(p) })
	wantError(t, err, policy.FaultCompile, "refused")
	if c.loans != 0 || p.OnLoan() {
		t.Errorf("%d loans are out", c.loans)
	}
}

// TestMeteredIsSharedWhileItIsHeld, and forgotten afterwards.
func TestMeteredIsSharedWhileItIsHeld(t *testing.T) {
	host, _, _ := adopters(t)
	a := prepare(t, host, source(counting().Bytes()))
	b := prepare(t, host, source(counting().Bytes()))
	if a.Metered != b.Metered {
		t.Error("equal bytes are metered twice")
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	testnet.Eventually(t, "what nobody holds is forgotten", func() bool {
		runtime.GC()
		host.metered.mu.Lock()
		defer host.metered.mu.Unlock()
		return len(host.metered.known) == 0
	})
}

// TestCodeOnlyEngineLoads what has been compiled, and nothing else.
func TestCodeOnlyEngineLoads(t *testing.T) {
	host, worker, _ := adopters(t)
	if _, err := worker.Load(context.Background(), source(tiny().Bytes())); !errors.Is(err, ErrNoCode) {
		t.Errorf("error is %v", err)
	}
	p := prepare(t, host, source(tiny().Bytes()))
	lend(t, host, p)
	if _, err := worker.Load(context.Background(), source(tiny().Bytes())); err != nil {
		t.Error(err)
	}
}

// outlining is a compiler whose code is that of outlines, too.
type outlining struct{ *elsewhere }

func (outlining) Outlines() bool { return true }

// TestLoadableIsTheOutline while code is on loan that can be found by it, and what
// the code is of is known all the same.
func TestLoadableIsTheOutline(t *testing.T) {
	c := &elsewhere{dir: t.TempDir()}
	for _, set := range []struct {
		compiler Compiler
		outlined bool
	}{{c, false}, {outlining{c}, true}} {
		host := newEngine(t, Config{Compiler: set.compiler})
		p := prepare(t, host, source(counting().Bytes()))
		lend(t, host, p)
		got := p.Loadable()
		if whole := bytes.Equal(got, p.Metered.Wasm); whole == set.outlined || p.Metered.Size != len(p.Metered.Wasm) {
			t.Errorf("a worker is sent %d bytes of a module of %d, %d", len(got), len(p.Metered.Wasm), p.Metered.Size)
		}
		p.Release()
	}
}
