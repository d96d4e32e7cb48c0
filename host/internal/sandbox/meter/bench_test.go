package meter

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero/api"
)

// BenchmarkMeter compares guests as they are with the same guests metered.
func BenchmarkMeter(b *testing.B) {
	compute := buildC(b, "testdata/compute.c")
	for _, c := range []struct {
		name, field string
		wasm        []byte
		args        []uint64
	}{
		{"fixed", "on_timeout", read(b, "../../../../plugins/fixed.wasm"), nil},
		{"adaptive", "on_timeout", read(b, "../../../../plugins/adaptive.wasm"), nil},
		{"go-hello", "on_timeout", buildGo(b, "../../../../examples/hello-go"), nil},
		{"go-adaptive", "on_timeout", buildGo(b, "../../../../examples/adaptive-go"), nil},
		{"crc", "crc", compute, []uint64{1}},
		{"sort", "sort", compute, []uint64{1}},
		{"fib", "fib", compute, []uint64{15}},
		{"add", "add", compute, []uint64{1000}},
	} {
		b.Run(c.name+"/plain", func(b *testing.B) { run(b, start(b, c.wasm), c.field, c.args) })
		b.Run(c.name+"/metered", func(b *testing.B) { run(b, start(b, metered(b, c.wasm, 1<<62)), c.field, c.args) })
	}
}

func run(b *testing.B, m api.Module, field string, args []uint64) {
	ctx := context.Background()
	if p := m.ExportedFunction("prepare"); p != nil {
		if _, err := p.Call(ctx); err != nil {
			b.Fatal(err)
		}
	}
	f := m.ExportedFunction(field)
	fuel, _ := m.ExportedGlobal(Global).(api.MutableGlobal)
	stack := make([]uint64, max(1, len(args)))
	b.ReportAllocs()
	for b.Loop() {
		copy(stack, args)
		if fuel != nil {
			fuel.Set(ample)
		}
		if err := f.CallWithStack(ctx, stack); err != nil {
			b.Fatal(err)
		}
	}
	if fuel != nil {
		b.ReportMetric(float64(ample-int64(fuel.Get())), "fuel/op")
	}
}

// BenchmarkRewrite measures gate and meter on the largest guest.
func BenchmarkRewrite(b *testing.B) {
	wasm := buildGo(b, "../../../../examples/hello-go")
	b.Run("gate", func(b *testing.B) {
		for b.Loop() {
			admit(b, wasm)
		}
	})
	b.Run("meter", func(b *testing.B) {
		m := admit(b, wasm)
		var r Report
		for b.Loop() {
			var err error
			if _, r, err = Rewrite(m, Config{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(r.After)/float64(r.Before), "size")
		b.ReportMetric(float64(r.Charges), "charges")
	})
}
