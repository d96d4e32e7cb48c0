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

	corpus "idlehost/host/internal/engine/hostile"
)

const (
	isolationConns = 8
	// isolationRate is how many requests come in a second: few enough that
	// they seldom meet, since what they do to one another is not measured.
	isolationRate = 500
)

// BenchmarkIsolation reports what a request of one tenant takes while another
// tenant of the same process attacks in every way of the corpus, and while it
// does not, in turns. The last lines tell the ratios of the medians. Each of
// b.N requests is small; the load and the upstream are another process.
func BenchmarkIsolation(b *testing.B) { isolation(b, 15, none, everything, burst) }

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

// isolation measures the attacks against the first, which is none.
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
	base := measured[attacks[0]]
	for _, name := range attacks[1:] {
		b.Run("ratio/attack="+name, func(b *testing.B) {
			p50 := func(r round) time.Duration { return r.p50 }
			p99 := func(r round) time.Duration { return r.p99 }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(measured[name], p50)/median(base, p50), "p50-ratio")
			b.ReportMetric(median(measured[name], p99)/median(base, p99), "p99-ratio")
		})
	}
}

func median(list []round, of func(round) time.Duration) float64 {
	var values []time.Duration
	for _, r := range list {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return float64(quantile(values, 0.5))
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
