package books_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"container/heap"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/books"
	"idlehost/host/internal/engine"
	"idlehost/host/internal/policy"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

// The bundled adaptive policy, as it is shipped and with its standard
// parameters, is played recorded traffic in virtual time against these books.
// A client is one connection; holding costs time, closing on a client that
// comes back costs its worth. Beside it stands the best fixed timeout that
// hindsight can choose for that very recording.
func TestAdaptiveAgainstBestFixed(t *testing.T) {
	if testing.Short() {
		t.Skip("replays whole recordings")
	}
	eng, err := engine.New(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	for _, path := range recordings(t) {
		tr := readTrace(t, path)
		for _, worth := range []int64{30_000, 120_000, 600_000} {
			optimum := tr.optimum(worth)
			fixed, tau := tr.bestFixed(worth)
			p := load(t, eng)
			got := newReplay(tr, p, worth).run(t)
			p.Close()
			t.Logf("%-22s worth %3d s: adaptive %.3f of optimum, best fixed %.3f [%g s], 75 s %.3f, %d asks",
				tr.name, worth/1000, got.cost/optimum, fixed/optimum, float64(tau)/1000, tr.fixed(75_000, worth)/optimum, got.asks)
			if tr.end > 3600_000 && got.cost > 1.02*fixed {
				t.Errorf("%s, worth %d s: adaptive costs %.3f of the best fixed timeout", tr.name, worth/1000, got.cost/fixed)
			}
		}
	}
}

func recordings(t *testing.T) []string {
	dir := cmp.Or(os.Getenv("IDLEHOST_TRACES"), "../../../../shared/traces")
	paths, _ := filepath.Glob(filepath.Join(dir, "*.tsv.gz"))
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Contains(p, ".durations.") })
	if len(paths) == 0 {
		t.Skip("no recordings: set IDLEHOST_TRACES to a folder of them")
	}
	return paths
}

func load(t *testing.T, eng *engine.Engine) *engine.Policy {
	wasm, ok := plugins.Lookup("adaptive")
	if !ok {
		t.Fatal("no adaptive policy")
	}
	params := map[string]string{}
	for _, kv := range strings.Fields(os.Getenv("IDLEHOST_PARAMS")) {
		k, v, _ := strings.Cut(kv, "=")
		params[k] = v
	}
	p, err := eng.Load(t.Context(), engine.Source{Name: "adaptive", Wasm: wasm, Params: params, Bound: engine.BoundNone})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

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
	seen := map[uint64]int64{}
	for lines.Scan() {
		var r request
		if _, err := fmt.Sscan(lines.Text(), &r.at, &r.client); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if before, ok := seen[r.client]; ok {
			tr.gaps = append(tr.gaps, r.at-before)
		}
		seen[r.client] = r.at
		tr.requests = append(tr.requests, r)
		tr.end = r.at
	}
	if lines.Err() != nil || len(tr.requests) == 0 {
		t.Fatalf("%s: %d requests, %v", path, len(tr.requests), lines.Err())
	}
	for _, at := range seen {
		tr.last = append(tr.last, tr.end-at)
	}
	return tr
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

// replay plays one trace. Each client has at most one connection.
type replay struct {
	trace *trace
	books *books.Books
	pol   *engine.Policy
	worth int64
	ask   policy.Ask
	conns map[uint64]*conn
	due   dueHeap
	cost  float64
	asks  int
}

type conn struct {
	client   uint64
	open     bool
	opened   int64
	last     int64 // request
	deadline int64
	asks     uint32
	requests uint32
	state    [abi.StateSize]uint8
	leases   [abi.Phases]uint32
}

type due struct {
	at int64
	c  *conn
}

type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	*h = (*h)[:last]
	return d
}

func newReplay(tr *trace, p *engine.Policy, worth int64) *replay {
	return &replay{
		trace: tr, pol: p, worth: worth, books: books.New(books.Config{}),
		ask: policy.Ask{Gaps: new(policy.Gaps)}, conns: map[uint64]*conn{},
	}
}

func (r *replay) run(t *testing.T) *replay {
	for _, q := range r.trace.requests {
		r.expire(t, q.at)
		r.request(t, q.client+1, q.at)
	}
	for _, c := range r.conns { // those that are still held when the recording ends
		if c.open {
			r.cost += float64(r.trace.end - c.last)
		}
	}
	return r
}

func (r *replay) request(t *testing.T, client uint64, now int64) {
	c := r.conns[client]
	if c == nil {
		c = &conn{client: client}
		r.conns[client] = c
	}
	if c.open {
		r.cost += float64(now - c.last)
		r.books.Returned(client, 0, uint32(now-c.last))
	} else {
		if c.requests > 0 {
			r.cost += float64(r.worth)
		}
		*c = conn{client: client, open: true, opened: now, last: now, requests: c.requests}
		r.books.Opened(client, now)
		c.leases[abi.PhaseIdle] = 75_000
		r.decide(t, c, abi.KindAccept, now)
	}
	c.last = now
	c.requests++
	if d := now + int64(c.leases[abi.PhaseIdle]); d != c.deadline {
		c.deadline = d
		heap.Push(&r.due, due{d, c})
	}
}

// expire asks about all connections whose deadline passed before now.
func (r *replay) expire(t *testing.T, now int64) {
	for len(r.due) > 0 && r.due[0].at < now {
		d := heap.Pop(&r.due).(due)
		if c := d.c; c.open && c.deadline == d.at {
			r.timeout(t, c, d.at)
		}
	}
}

func (r *replay) timeout(t *testing.T, c *conn, now int64) {
	v := r.decide(t, c, abi.KindTimeout, now)
	switch v.Action {
	case abi.ActionExtend:
		c.deadline = now + max(v.Deadline.Milliseconds(), 1)
		heap.Push(&r.due, due{c.deadline, c})
	default:
		r.cost += float64(now - c.last)
		r.books.Cut(c.client, 0, uint32(now-c.last), now)
		r.books.Closed(c.client)
		c.open = false
	}
}

func (r *replay) decide(t *testing.T, c *conn, kind abi.Kind, now int64) policy.Verdict {
	e := &r.ask.Event
	*e = policy.Event{
		Kind: uint8(kind), Phase: uint8(abi.PhaseIdle), Client: c.client, NowMs: uint64(now),
		AgeMs: uint32(now - c.opened), IdleMs: uint32(now - c.last), WorthMs: uint32(r.worth),
		Requests: c.requests, Asks: c.asks, State: c.state, Leases: c.leases,
	}
	r.books.Fill(e, r.ask.Gaps, now)
	v, fault := r.pol.Decide(&r.ask)
	if fault != policy.FaultNone {
		t.Fatalf("%s: %v: %v", r.trace.name, fault, r.pol.Err())
	}
	r.asks++
	c.asks++
	c.state = e.State
	if v.Leases {
		c.leases = e.Leases
	}
	return v
}
