package books_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type request struct {
	at     int64
	client uint64
}

type trace struct {
	name     string
	requests []request
	end      int64
	gaps     []int64 // that ended in a request
	last     []int64 // from a client's last request to the end
}

func readTrace(t *testing.T, path string) *trace {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	tr := &trace{name: strings.TrimSuffix(filepath.Base(path), ".tsv.gz")}
	lines := bufio.NewScanner(z)
	lines.Scan() // header
	for lines.Scan() {
		var r request
		if _, err := fmt.Sscan(lines.Text(), &r.at, &r.client); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		tr.requests = append(tr.requests, r)
	}
	if lines.Err() != nil || len(tr.requests) == 0 {
		t.Fatalf("%s: %d requests, %v", path, len(tr.requests), lines.Err())
	}
	return tr.measured()
}

// measured fills in the gaps of requests that are sorted by time.
func (tr *trace) measured() *trace {
	seen := map[uint64]int64{}
	for _, r := range tr.requests {
		if before, ok := seen[r.client]; ok {
			tr.gaps = append(tr.gaps, r.at-before)
		}
		seen[r.client] = r.at
		tr.end = r.at
	}
	for _, at := range seen {
		tr.last = append(tr.last, tr.end-at)
	}
	return tr
}

// mixture is six hours of traffic made up of what real recordings are made of:
// monitors with a heartbeat, people who read and come back, and visitors who
// send a few requests and are never seen again.
func mixture() *trace {
	const hours = 6 * 3600_000
	r := rand.New(rand.NewPCG(7, 7))
	tr := &trace{name: "mixture"}
	client := uint64(0)
	add := func(at int64, next func() int64, requests int) {
		for ; requests > 0 && at < hours; requests-- {
			tr.requests = append(tr.requests, request{at, client})
			at += next()
		}
		client++
	}
	for i := range int64(40) {
		period := 20_000 + i*1_000
		add(r.Int64N(60_000), func() int64 { return period + r.Int64N(300) }, 1<<20)
	}
	for range 600 { // gaps over four orders of magnitude, median 4 s
		add(r.Int64N(hours), func() int64 { return int64(4000 * math.Exp(2*r.NormFloat64())) }, 1+r.IntN(60))
	}
	for range 6000 {
		add(r.Int64N(hours), func() int64 { return 50 + r.Int64N(400) }, 1+r.IntN(4))
	}
	slices.SortStableFunc(tr.requests, func(a, b request) int { return cmp.Compare(a.at, b.at) })
	return tr.measured()
}

func (tr *trace) optimum(worth int64) (cost float64) {
	for _, g := range tr.gaps {
		cost += float64(min(g, worth))
	}
	return cost
}

func (tr *trace) fixed(tau, worth int64) (cost float64) {
	for _, g := range tr.gaps {
		cost += gapCost(g, tau, worth)
	}
	for _, g := range tr.last {
		cost += float64(min(g, tau))
	}
	return cost
}

func gapCost(g, tau, worth int64) float64 {
	if g > tau {
		return float64(tau + worth)
	}
	return float64(g)
}

func (tr *trace) bestFixed(worth int64) (cost float64, tau int64) {
	cost = math.Inf(1)
	for ms := 50.0; ms <= float64(8*worth); ms *= 1.1 {
		if c := tr.fixed(int64(ms), worth); c < cost {
			cost, tau = c, int64(ms)
		}
	}
	return cost, tau
}

// recordings returns the paths of real traffic, where there is some.
func recordings(t *testing.T) []string {
	dir := cmp.Or(os.Getenv("IDLEHOST_TRACES"), "../../../../shared/traces")
	paths, _ := filepath.Glob(filepath.Join(dir, "*.tsv.gz"))
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Contains(p, ".durations.") })
	if len(paths) == 0 {
		t.Log("no recordings: set IDLEHOST_TRACES to a folder of them")
	}
	return paths
}
