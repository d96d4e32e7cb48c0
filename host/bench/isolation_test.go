package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corpus "idlehost/host/internal/sandbox/hostile"
)

const (
	isolationConns = 8
	// isolationRate is how many requests come in a second: few enough that
	// they seldom meet, since what they do to one another is not measured.
	isolationRate = 500
)

// BenchmarkIsolation reports what a request of one tenant takes while another
// tenant of the same process attacks in every way of the corpus, and while it
// does not, in turns. The last lines tell the medians of the ratios that each
// round has given: a round is seconds, over which the machine stays as noisy
// as it is. Each of b.N requests is small; the load and the upstream are
// another process.
//
// What the tenant's traffic costs when it is not hostile, traffic tells: it
// asks as often, of a policy that does its work.
func BenchmarkIsolation(b *testing.B) { isolation(b, 11, none, traffic, everything, burst) }

// BenchmarkIsolationByClass is the same for each class of attacks.
func BenchmarkIsolationByClass(b *testing.B) {
	attacks := []string{none, calls}
	for _, c := range corpus.Classes() {
		attacks = append(attacks, string(c))
	}
	isolation(b, 7, attacks...)
}

// round is what one round has measured.
type round struct{ p50, p99 time.Duration }

// isolation measures the attacks against the first, which is none, and against
// traffic.
func isolation(b *testing.B, rounds int, attacks ...string) {
	h := startShared(b, upstream(b))
	if _, err := pace(h.addr, isolationConns, isolationRate, isolationRate); err != nil { // warm up
		b.Fatal(err)
	}
	measured := map[string][]round{}
	for n := range rounds {
		for i := range attacks {
			name := attacks[(i+n)%len(attacks)]
			var last round // of the calls with a growing b.N
			b.Run(fmt.Sprintf("attack=%s/round=%d", name, n+1), func(b *testing.B) { last = h.measure(b, name) })
			measured[name] = append(measured[name], last)
		}
	}
	for i, base := range attacks[:len(attacks)-1] {
		if i > 0 && base != traffic {
			continue
		}
		for _, name := range attacks[i+1:] {
			b.Run("ratio/attack="+name+"/against="+base, func(b *testing.B) {
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(paired(measured[name], measured[base], func(r round) time.Duration { return r.p50 }), "p50-ratio")
				b.ReportMetric(paired(measured[name], measured[base], func(r round) time.Duration { return r.p99 }), "p99-ratio")
			})
		}
	}
}

// paired is the median of the ratios of what was measured in the same round.
func paired(list, base []round, of func(round) time.Duration) float64 {
	var ratios []float64
	for i := range list {
		ratios = append(ratios, float64(of(list[i]))/float64(of(base[i])))
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

// sharedHost is a running host of two tenants.
type sharedHost struct {
	addr  string
	tell  io.Writer
	heard *bufio.Scanner
}

// startShared runs one until the benchmark ends.
func startShared(b *testing.B, upstream string) *sharedHost {
	cmd := exec.Command(os.Args[0], beShared, upstream, filepath.Join(b.TempDir(), "code"))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("host: %v\n%s", err, complaint.String())
		}
	})
	h := &sharedHost{tell: in, heard: bufio.NewScanner(out)}
	if h.addr = h.hear(b); h.addr == "" {
		b.Fatal("the host does not say where it listens")
	}
	return h
}

func (h *sharedHost) hear(b *testing.B) string {
	if !h.heard.Scan() {
		b.Fatal("the host has ended")
	}
	return h.heard.Text()
}

// attack has the hostile tenant turn to something else, and returns what it
// did before.
func (h *sharedHost) attack(b *testing.B, name string) string {
	if _, err := fmt.Fprintln(h.tell, name); err != nil {
		b.Fatal(err)
	}
	return h.hear(b)
}

func (h *sharedHost) measure(b *testing.B, name string) round {
	if b.N == 1 {
		return round{} // a trial, whose uploads would be missing from what is measured
	}
	h.attack(b, name)
	defer func() {
		if did := h.attack(b, none); name != none {
			b.Log(did)
		}
	}()
	b.ResetTimer()
	took, err := pace(h.addr, isolationConns, isolationRate, b.N)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	r := round{quantile(took, 0.5), quantile(took, 0.99)}
	b.ReportMetric(float64(r.p50.Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(r.p99.Nanoseconds())/1e3, "p99-us")
	return r
}
