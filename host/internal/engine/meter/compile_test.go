package meter

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/engine/gate"
	"idlehost/host/internal/engine/gate/gatetest"
)

// largest returns the largest module of a family that the gate lets in, to
// within a tenth.
func largest(s gatetest.Shape) (wasm []byte, m *gate.Module, n int) {
	try := func(n int) bool {
		w := s.Build(n).Bytes()
		got, err := gate.Check(w, gate.Limits{}, gate.Contract{})
		if err == nil {
			wasm, m = w, got
		}
		return err == nil
	}
	low, high := 1, 2
	for try(high) {
		low, high = high, high*2
	}
	for high-low > low/10 {
		if mid := (low + high) / 2; try(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return wasm, m, low
}

// TestCompileTime compiles the worst that the gate lets in: no shape takes
// anywhere near what it takes without the gate. The bound is loose, since
// other tests run at the same time; the log has the figures.
func TestCompileTime(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for a minute")
	}
	for _, s := range gatetest.Shapes() {
		wasm, m, n := largest(s)
		if m == nil {
			t.Errorf("%s: not even the smallest is let in", s.Name)
			continue
		}
		out, _, err := Rewrite(m, Config{})
		if err != nil {
			t.Fatal(err)
		}
		took, heap := compile(t, out)
		t.Logf("%-42s n %6d, %7d bytes, effort %4.1f M: %6.3f s, %4d MB", s.Name, n, len(wasm), float64(m.Effort())/1e6, took.Seconds(), heap>>20)
		if took > 20*time.Second {
			t.Errorf("%s: compiles for %v", s.Name, took)
		}
	}
}

// compile returns the time and the memory from the operating system that
// compiling takes.
func compile(t testing.TB, wasm []byte) (time.Duration, uint64) {
	t.Helper()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigCompiler())
	defer r.Close(context.Background())
	begin := time.Now()
	if _, err := r.CompileModule(context.Background(), wasm); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	return took, max(after.HeapSys, before.HeapSys) - before.HeapSys
}
