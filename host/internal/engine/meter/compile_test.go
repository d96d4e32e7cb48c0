package meter

import (
	"context"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/engine/gate"
	"idlehost/host/internal/engine/gate/gatetest"
)

// largest returns the largest module of a family that the gate lets in, to
// within a tenth, metered.
func largest(t testing.TB, s gatetest.Shape, limits gate.Limits) (out []byte, m *gate.Module) {
	t.Helper()
	try := func(n int) bool {
		got, err := gate.Check(s.Build(n).Bytes(), limits, gate.Contract{})
		if err == nil {
			m = got
		}
		return err == nil
	}
	low, high := 1, 2
	for try(high) {
		low, high = high, high*2
	}
	for high-low > low/10+1 {
		if mid := (low + high) / 2; try(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	if m == nil {
		t.Fatalf("%s: not even the smallest is let in", s.Name)
	}
	out, _, err := Rewrite(m, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return out, m
}

// TestCompileTime compiles the worst that the gate lets in with a limit of a
// 64th of the default; BenchmarkCompile does it with the default. The bound
// is loose, since other tests run at the same time: what it is against took
// minutes.
func TestCompileTime(t *testing.T) {
	for _, s := range slow(t, gatetest.Shapes(), 8, "shapes of modules") {
		out, m := largest(t, s, gate.Limits{Effort: 1 << 20, ModuleBytes: 64 << 10})
		begin := time.Now()
		compile(t, out)
		took := time.Since(begin)
		t.Logf("%-42s %6d bytes, effort %7d: %v", s.Name, len(m.Bytes()), m.Effort(), took.Round(time.Millisecond))
		if took > 5*time.Second {
			t.Errorf("%s: compiles for %v", s.Name, took)
		}
	}
}

// BenchmarkCompile measures what compiling the worst that is let in takes.
// The target is 2 s.
func BenchmarkCompile(b *testing.B) {
	for _, s := range gatetest.Shapes() {
		b.Run(s.Name, func(b *testing.B) {
			out, m := largest(b, s, gate.Limits{})
			b.ReportAllocs()
			for b.Loop() {
				compile(b, out)
			}
			b.ReportMetric(float64(m.Effort())/1e6, "M-effort")
			b.ReportMetric(float64(len(m.Bytes())), "bytes")
		})
	}
}

func compile(t testing.TB, wasm []byte) {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigCompiler())
	if _, err := r.CompileModule(context.Background(), wasm); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
