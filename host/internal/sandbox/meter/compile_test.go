package meter

import (
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/gate/gatetest"
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

// TestEffortPredictsTime: whatever the module, a unit of effort takes less than
// five times what it takes in code that Go emits, so that a child which may
// take five times what is expected finishes. Small modules are compared, since
// effort adds up over functions; BenchmarkCompile has the largest.
func TestEffortPredictsTime(t *testing.T) {
	const most = 5
	limits := gate.Limits{Effort: 2 << 20}
	shapes := gatetest.Shapes()
	i := slices.IndexFunc(shapes, func(s gatetest.Shape) bool { return s.Name == "functions of tables to nested blocks" })
	usual := perUnit(t, shapes[i], limits)
	for _, s := range shapes {
		got := perUnit(t, s, limits)
		for try := 0; got > most*usual && try < 3; try++ { // something else was beside one of them
			usual = max(usual, perUnit(t, shapes[i], limits))
			got = min(got, perUnit(t, s, limits))
		}
		t.Logf("%-50s %5.1f times", s.Name, got/usual)
		if got > most*usual {
			t.Errorf("%s: a unit of effort takes %.1f ns, in code from Go %.1f", s.Name, got, usual)
		}
	}
}

// perUnit compiles the largest module of a family, and returns the processor
// time that a unit of its effort takes, in ns, beyond what the least module takes.
func perUnit(t testing.TB, s gatetest.Shape, limits gate.Limits) float64 {
	t.Helper()
	out, m := largest(t, s, limits)
	begin := processorTime(t)
	compile(t, empty)
	start := processorTime(t)
	compile(t, out)
	took := processorTime(t) - start - (start - begin)
	return float64(max(took, 0)) / float64(m.Effort())
}

// empty is the least module.
var empty = []byte("\x00asm\x01\x00\x00\x00")

// BenchmarkCompile measures what compiling the worst that is let in takes.
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
