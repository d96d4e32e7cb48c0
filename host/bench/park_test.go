package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"idlehost/host/e2e/hosttest"
)

// BenchmarkParkTax reports what the readiness to park costs connections that
// are busy: processor time per request of a host that parks, as by default,
// against one that does not, in turns. The last line tells the median of the
// ratios that each round has given.
func BenchmarkParkTax(b *testing.B) {
	const rounds = 21
	bin, err := hosttest.Build(b.TempDir(), "idlehost/host")
	if err != nil {
		b.Fatal(err)
	}
	off := filepath.Join(b.TempDir(), "off.toml")
	if err := os.WriteFile(off, []byte("[limits]\npark_after = \"0s\"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	target := upstream(b)
	var list []proxy
	for _, c := range []struct {
		name string
		args []string
	}{{"off", []string{"--config", off}}, {"on", nil}} {
		h := hosttest.StartHost(b, bin, append(c.args, "--upstream", target)...)
		list = append(list, proxy{c.name, h.Addr, h.Process})
		if err := load(h.Addr, conns, 4000); err != nil { // warm up
			b.Fatal(err)
		}
	}
	var ratios []float64
	for round := range rounds {
		took := map[string]float64{}
		for i := range list {
			p := list[(i+round)%len(list)]
			b.Run(fmt.Sprintf("park=%s/round=%d", p.name, round+1), func(b *testing.B) { took[p.name] = measure(b, p) })
		}
		ratios = append(ratios, took["on"]/took["off"])
	}
	slices.Sort(ratios)
	b.Run("ratio", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(ratios[len(ratios)/2], "on/off")
	})
}
