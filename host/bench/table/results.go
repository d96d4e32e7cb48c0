package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results holds microseconds of processor time per request by proxy and round.
type results struct {
	cpu      string
	requests int
	rounds   map[string]map[int]float64
}

// rows are the contestants in the order of the table; the first is the measure.
var rows = []struct{ name, text string }{
	{"bare", "`httputil.ReverseProxy` alone"},
	{"bare-pooled", "the same, with pooled copy buffers"},
	{"native", "host, native policy"},
	{"adaptive", "host, `adaptive.wasm`"},
}

var line = regexp.MustCompile(`^BenchmarkProxy/proxy=(\S+)/round=(\d+)\S*\s+(\d+)\s.*?([0-9.]+) cpu-us/req`)

// parse reads the output of go test -bench.
func parse(raw string) (*results, error) {
	r := &results{rounds: map[string]map[int]float64{}}
	for l := range strings.SplitSeq(raw, "\n") {
		if cpu, ok := strings.CutPrefix(l, "cpu: "); ok {
			r.cpu = cpu
		}
		m := line.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		round, _ := strconv.Atoi(m[2]) // the expression admits digits only
		r.requests, _ = strconv.Atoi(m[3])
		us, err := strconv.ParseFloat(m[4], 64)
		if err != nil || us <= 0 {
			return nil, fmt.Errorf("%s is no time: %q", m[4], l)
		}
		if r.rounds[m[1]] == nil {
			r.rounds[m[1]] = map[int]float64{}
		}
		r.rounds[m[1]][round] = us
	}
	bare := len(r.rounds[rows[0].name])
	if bare == 0 {
		return nil, errors.New("no round of " + rows[0].name)
	}
	for _, row := range rows {
		if n := len(r.rounds[row.name]); n != bare {
			return nil, fmt.Errorf("%d rounds of %s, but %d of %s", n, row.name, bare, rows[0].name)
		}
	}
	return r, nil
}

// table renders medians, and the median of the ratios within a round: what
// disturbs the machine for a while disturbs both sides of a ratio.
func (r *results) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| proxy | processor time per request | of bare |\n|---|---|---|\n")
	base := r.rounds[rows[0].name]
	for _, row := range rows {
		var us, ratio []float64
		for round, v := range r.rounds[row.name] {
			us = append(us, v)
			ratio = append(ratio, v/base[round])
		}
		fmt.Fprintf(&b, "| %s | %.1f us | %.2f |\n", row.text, median(us), median(ratio))
	}
	fmt.Fprintf(&b, "\nMedians of %d interleaved rounds of %d requests", len(base), r.requests)
	if r.cpu != "" {
		fmt.Fprintf(&b, "; %s", r.cpu)
	}
	b.WriteString(".\n")
	return b.String()
}

// median returns the middle of v, which it sorts.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
