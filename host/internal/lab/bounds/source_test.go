package bounds

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// recording is a list of records by lanes.
type recording []trace.Record

func (r *recording) open(at int64, lane uint64) {
	*r = append(*r, trace.Record{Kind: trace.KindOpen, Time: at, Conn: lane, Client: lane, Phase: abi.PhaseIdle, Protocol: abi.ProtocolHTTP1})
}

func (r *recording) request(from, to int64, lane uint64) {
	*r = append(*r, trace.Record{Kind: trace.KindBegin, Time: from, Conn: lane}, trace.Record{Kind: trace.KindEnd, Time: to, Conn: lane})
}

func (r *recording) close(at int64, lane uint64, why policy.Reason) {
	*r = append(*r, trace.Record{Kind: trace.KindClose, Time: at, Conn: lane, Reason: why})
}

func (r recording) census() *Census {
	c := NewCensus()
	for i := range r {
		c.Add(&r[i])
	}
	c.Finish()
	return c
}

func (r recording) survey(cfg Config) *Survey {
	s := New(cfg)
	for i := range r {
		s.Add(&r[i])
	}
	s.Finish()
	return s
}

// traffic reads the times of requests of real traffic; each client is a lane.
func traffic(t *testing.T, path string) (r recording) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	known := map[uint64]bool{}
	lines := bufio.NewScanner(z)
	for lines.Scan(); lines.Scan(); {
		columns := strings.SplitN(lines.Text(), "\t", 3)
		at, err := strconv.ParseInt(columns[0], 10, 64)
		client, wrong := strconv.ParseUint(columns[min(1, len(columns)-1)], 10, 64)
		if err != nil || wrong != nil {
			t.Fatalf("%s: %q", path, lines.Text())
		}
		if at, client = at*1e6, client+1; !known[client] {
			known[client] = true
			r.open(at, client)
		}
		r.request(at, at, client)
	}
	if lines.Err() != nil || len(r) == 0 {
		t.Fatalf("%s: %d records, %v", path, len(r), lines.Err())
	}
	return r
}

// recordings returns recordings of real traffic by name, where there are some.
func recordings(t *testing.T) map[string]string {
	dir := cmp.Or(os.Getenv("IDLEHOST_TRACES"), "../../../../../shared/traces")
	paths, _ := filepath.Glob(filepath.Join(dir, "*.tsv.gz"))
	found := map[string]string{}
	for _, p := range paths {
		if !strings.Contains(p, ".durations.") {
			found[strings.TrimSuffix(filepath.Base(p), ".tsv.gz")] = p
		}
	}
	if len(found) == 0 {
		t.Skip("no recordings: set IDLEHOST_TRACES to a folder of them")
	}
	return found
}
