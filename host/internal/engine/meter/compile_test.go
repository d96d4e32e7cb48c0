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
// 64th of the default; BenchmarkCompile does it with the default. What is too
// long a bundled policy tells, which is compiled in the same run, by the effort
// of both. The bound is loose: what it is against took minutes.
func TestCompileTime(t *testing.T) {
	const most = 100 // times as long by effort
	usual := admit(t, read(t, "../../../../plugins/adaptive.wasm"))
	plain, _, err := Rewrite(usual, Config{})
	if err != nil {
		t.Fatal(err)
	}
	perEffort := func(wasm []byte, m *gate.Module) float64 {
		begin := time.Now()
		compile(t, wasm)
		return float64(time.Since(begin)) / float64(m.Effort())
	}
	for _, s := range slow(t, gatetest.Shapes(), 8, "shapes of modules") {
		out, m := largest(t, s, gate.Limits{Effort: 1 << 20, ModuleBytes: 64 << 10})
		took, ours := perEffort(out, m), perEffort(plain, usual)
		for range 5 { // either may have been held up
			if took <= most*ours/3 {
				break
			}
			took, ours = min(took, perEffort(out, m)), min(ours, perEffort(plain, usual))
		}
		t.Logf("%-42s %6d bytes, effort %7d: %6.1f ns each, %.1f of adaptive", s.Name, len(m.Bytes()), m.Effort(), took, ours)
		if took > most*ours {
			t.Errorf("%s: compiles for %.1f ns for each of effort, adaptive for %.1f", s.Name, took, ours)
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
