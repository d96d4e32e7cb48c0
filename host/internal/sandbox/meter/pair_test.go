package meter

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/sandbox/gate"
)

// ample is fuel that no test uses up.
const ample = 1 << 60

// wide lets in what the format allows.
func wide() gate.Limits {
	return gate.Limits{
		Tables: 64, TableEntries: 1 << 30, MemoryPages: 1 << 16, Locals: 1 << 16, Results: 64,
		Imports: 1024, Effort: 1 << 40, Targets: 1 << 20,
	}
}

// admit passes a module through the gate.
func admit(t testing.TB, wasm []byte) *gate.Module {
	t.Helper()
	m, err := gate.Check(wasm, wide(), gate.Contract{AnyImport: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// metered returns the module with an initial fuel.
func metered(t testing.TB, wasm []byte, init int64) []byte {
	t.Helper()
	out, _, err := Rewrite(admit(t, wasm), Config{Init: init})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// pair is one module twice: as it was, and metered, each in a world of its own.
type pair struct{ plain, metered api.Module }

// worlds are two runtimes that hold the same modules.
type worlds [2]wazero.Runtime

func newWorlds(t testing.TB) worlds {
	t.Helper()
	var w worlds
	for i := range w {
		w[i] = wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigCompiler())
		t.Cleanup(func() { _ = w[i].Close(context.Background()) })
	}
	return w
}

// instantiate makes both instances; the errors are compared.
func (w worlds) instantiate(t testing.TB, wasm []byte, name string) (p pair, err error) {
	t.Helper()
	cfg := wazero.NewModuleConfig().WithName(name).WithStartFunctions()
	a, errA := w[0].InstantiateWithConfig(context.Background(), wasm, cfg)
	b, errB := w[1].InstantiateWithConfig(context.Background(), metered(t, wasm, ample), cfg)
	if cause(errA) != cause(errB) {
		return p, fmt.Errorf("instantiated: plain %v, metered %v", errA, errB)
	}
	return pair{a, b}, nil
}

// cause is the first line of an error: what follows is a stack trace.
func cause(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// call calls both, and says how they differ. It returns the results and the
// fuel used.
func (p pair) call(field string, args ...uint64) (results []uint64, used int64, err error) {
	fuel := p.metered.ExportedGlobal(Global).(api.MutableGlobal)
	frames := p.metered.ExportedGlobal(StackGlobal).(api.MutableGlobal)
	fuel.Set(ample)
	frames.Set(Stack)
	a, errA := p.plain.ExportedFunction(field).Call(context.Background(), args...)
	b, errB := p.metered.ExportedFunction(field).Call(context.Background(), args...)
	used = ample - int64(fuel.Get())
	switch {
	case cause(errA) == "stack overflow" && int64(fuel.Get()) < 0 && int64(frames.Get()) < 0:
		return nil, used, nil // what wazero ends at 400 MB, the meter ends before
	case errB == nil && frames.Get() != Stack:
		return nil, used, fmt.Errorf("%s(%d): %d of the stack is left, should be %d", field, args, int64(frames.Get()), int64(Stack))
	case cause(errA) != cause(errB):
		return nil, used, fmt.Errorf("%s(%d): plain %q, metered %q", field, args, cause(errA), cause(errB))
	case fmt.Sprint(a) != fmt.Sprint(b):
		return nil, used, fmt.Errorf("%s(%d): plain %x, metered %x", field, args, a, b)
	case used < 0:
		return nil, used, fmt.Errorf("%s(%d): used %d fuel", field, args, used)
	}
	return a, used, p.compare()
}

// compare holds the memories and exported globals against each other.
func (p pair) compare() error {
	// Without a memory there is an interface around nil.
	if m := p.plain.Memory(); !reflect.ValueOf(m).IsNil() {
		a, _ := m.Read(0, m.Size())
		b, ok := p.metered.Memory().Read(0, m.Size())
		if !ok || p.metered.Memory().Size() != m.Size() || !bytes.Equal(a, b) {
			return fmt.Errorf("memories differ")
		}
	}
	return nil
}
