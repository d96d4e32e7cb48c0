package arena_test

import (
	"cmp"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/lab"
	record "idlehost/host/internal/trace"
	"idlehost/host/internal/trace/logs"
	"idlehost/sdk/abi"
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
	open     func() (lab.Recording, error)
}

// gaps are what a timeout is judged by, each list ascending.
type gaps struct {
	ended []int64 // in a request
	last  []int64 // from a client's last request to the end of the trace
}

// readTrace reads a recording for the gaps in it.
func readTrace(t *testing.T, path string) *trace {
	t.Helper()
	tr := &trace{name: strings.TrimSuffix(filepath.Base(path), ".tsv.gz"), recorded: true}
	tr.open = func() (lab.Recording, error) { return logs.Open(path, logs.Config{}) }
	src, err := logs.Open(path, logs.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var r record.Record
	for {
		switch err := src.Next(&r); {
		case errors.Is(err, io.EOF):
			return tr
		case err != nil:
			t.Fatal(err)
		case r.Kind == record.KindBegin:
			tr.requests = append(tr.requests, request{r.Time / 1e6, r.Conn})
			tr.end = r.Time / 1e6
		}
	}
}

// told is a trace that was made up, as a recording.
type told struct {
	requests []request
	seen     map[uint64]bool
	step     int // of a request: 0 the connection opens, 1 it begins, 2 it ends
}

func (t *told) Header() record.Header { return record.Header{Origin: "made up"} }
func (t *told) Close() error          { return nil }

func (t *told) Next(r *record.Record) error {
	if len(t.requests) == 0 {
		return io.EOF
	}
	q := t.requests[0]
	*r = record.Record{Time: q.at * 1e6, Conn: q.client + 1, Protocol: abi.ProtocolHTTP1}
	if t.step == 0 {
		t.step = 1
		if !t.seen[q.client] {
			t.seen[q.client] = true
			r.Kind, r.Client, r.Phase = record.KindOpen, q.client+1, abi.PhaseIdle
			return nil
		}
	}
	if r.Kind = record.KindBegin; t.step == 2 {
		r.Kind = record.KindEnd
		t.requests = t.requests[1:]
	}
	t.step = (t.step + 1) % 3
	return nil
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
	dir := cmp.Or(os.Getenv("IDLEHOST_TRACES"), "../../../../../shared/traces")
	paths, _ := filepath.Glob(filepath.Join(dir, "*.tsv.gz"))
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Contains(p, ".durations.") })
	if len(paths) == 0 {
		t.Log("no recordings: set IDLEHOST_TRACES to a folder of them")
	}
	return paths
}
