package bench

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"idlehost/host/e2e/hosttest"
)

// BenchmarkRecordTax reports what recording costs: processor time per request
// of a host that records all, against one that does not, in turns. The last
// line tells the median of the ratios that each round has given.
func BenchmarkRecordTax(b *testing.B) {
	const rounds = 41
	bin, err := hosttest.Build(b.TempDir(), "idlehost/host")
	if err != nil {
		b.Fatal(err)
	}
	target := upstream(b)
	var list []proxy
	for _, c := range []struct {
		name string
		args []string
	}{{"off", nil}, {"on", []string{"--record", filepath.Join(b.TempDir(), "live.trace")}}} {
		h := hosttest.StartHost(b, bin, append(c.args, "--upstream", target)...)
		list = append(list, proxy{c.name, h.Addr, h.Process})
		if err := load(h.Addr, conns, 4000); err != nil { // warm up
			b.Fatal(err)
		}
	}
	var ratios, more []float64
	for round := range rounds {
		took := map[string]float64{}
		for i := range list {
			p := list[(i+round)%len(list)]
			b.Run(fmt.Sprintf("record=%s/round=%d", p.name, round+1), func(b *testing.B) { took[p.name] = measure(b, p) })
		}
		ratios, more = append(ratios, took["on"]/took["off"]), append(more, took["on"]-took["off"])
	}
	slices.Sort(ratios)
	slices.Sort(more)
	b.Run("ratio", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(ratios[len(ratios)/2], "on/off")
		b.ReportMetric(1e3*more[len(more)/2], "cpu-ns/req")
	})
}
