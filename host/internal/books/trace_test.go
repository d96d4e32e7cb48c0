package books_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"fmt"
	"math"
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
	recorded bool // not made up
	requests []request
	end      int64
}

// gaps are what a timeout is judged by, each list ascending.
type gaps struct {
	ended []int64 // in a request
	last  []int64 // from a client's last request to the end of the trace
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
	tr := &trace{name: strings.TrimSuffix(filepath.Base(path), ".tsv.gz"), recorded: true}
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
	tr.end = tr.requests[len(tr.requests)-1].at
	return tr
}

// gaps returns those that begin at from or later.
func (tr *trace) gaps(from int64) gaps {
	var g gaps
	seen := map[uint64]int64{}
	for _, r := range tr.requests {
		if before, ok := seen[r.client]; ok && before >= from {
			g.ended = append(g.ended, r.at-before)
		}
		seen[r.client] = r.at
	}
	for _, at := range seen {
		if at >= from {
			g.last = append(g.last, tr.end-at)
		}
	}
	slices.Sort(g.ended)
	slices.Sort(g.last)
	return g
}

// optimum is what clairvoyance costs.
func (g gaps) optimum(worth int64) (cost int64) {
	for _, ms := range g.ended {
		cost += min(ms, worth)
	}
	return cost
}

// bestFixed returns the timeout that costs least of all there could be: 0, or
// just long enough for one of the gaps.
func (g gaps) bestFixed(worth int64) (cost, tau int64) {
	cost = math.MaxInt64
	var held, lastHeld int64 // of gaps that are no longer than tau
	i, last := 0, 0
	for at := -1; at < len(g.ended); at++ {
		t := int64(0)
		if at >= 0 {
			t = g.ended[at]
		}
		for ; i < len(g.ended) && g.ended[i] <= t; i++ {
			held += g.ended[i]
		}
		for ; last < len(g.last) && g.last[last] <= t; last++ {
			lastHeld += g.last[last]
		}
		c := held + int64(len(g.ended)-i)*(t+worth) + lastHeld + int64(len(g.last)-last)*t
		if c < cost {
			cost, tau = c, t
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
