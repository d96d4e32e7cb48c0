package books_test

import (
	"container/heap"
	"math"
	"testing"

	"idlehost/host/internal/books"
	"idlehost/host/internal/engine"
	"idlehost/host/internal/policy"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

// The bundled adaptive policy, as it is shipped and with its standard
// parameters, is played traffic in virtual time against these books. A client is
// one connection; holding costs time, closing on a client that comes back costs
// its worth. Beside it stands the best fixed timeout that hindsight can choose
// for that very traffic.
func TestAdaptiveAgainstBestFixed(t *testing.T) {
	if testing.Short() {
		t.Skip("replays days of traffic")
	}
	traces := []*trace{mixture()}
	if !raced {
		traces = towns()
		for _, path := range recordings(t) {
			traces = append(traces, readTrace(t, path))
		}
	}
	eng, err := engine.New(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	var all float64
	for _, tr := range traces {
		for _, worth := range []int64{30 * second, 2 * minute, 10 * minute} {
			all += math.Log(compare(t, eng, tr, worth, 0, limit(tr)))
		}
		if tr.end < hour { // in less there is no time to learn prices of minutes
			compare(t, eng, tr, 10*minute, tr.end/3, 1.1)
		}
	}
	mean := math.Exp(all / float64(3*len(traces)))
	t.Logf("adaptive costs %.3f of the best fixed timeouts in the (geometric) mean", mean)
	if mean > 0.96 {
		t.Error("that is too much")
	}
}

// limit is what adaptive may cost in best fixed timeouts.
func limit(tr *trace) float64 {
	switch {
	case tr.end < hour:
		return 1.1
	case tr.recorded:
		return 1
	}
	return 1.06 // where clients are all alike there is nothing to gain, only to learn
}

// compare returns the cost of what begins at from or later in best fixed timeouts.
func compare(t *testing.T, eng *engine.Engine, tr *trace, worth, from int64, limit float64) float64 {
	p := load(t, eng)
	defer p.Close()
	got, g := newReplay(tr, p, worth), tr.gaps(from)
	got.from = from
	got.run(t)
	optimum := float64(g.optimum(worth))
	fixed, tau := g.bestFixed(worth)
	ratio := float64(got.cost) / float64(fixed)
	t.Logf("%-18s worth %3d s, from %4d s: adaptive %.3f of optimum, best fixed %.3f [%.1f s], adaptive of fixed %.3f, %d asks",
		tr.name, worth/second, from/second, float64(got.cost)/optimum, float64(fixed)/optimum, float64(tau)/1000, ratio, got.asks)
	if ratio > limit {
		t.Errorf("%s, worth %d s: adaptive costs %.4f of the best fixed timeout, at most %.2f is wanted", tr.name, worth/second, ratio, limit)
	}
	return ratio
}

func load(t *testing.T, eng *engine.Engine) *engine.Policy {
	wasm, ok := plugins.Lookup("adaptive")
	if !ok {
		t.Fatal("no adaptive policy")
	}
	p, err := eng.Load(t.Context(), engine.Source{Name: "adaptive", Wasm: wasm})
	if err != nil {
		t.Fatal(err)
	}
	return p
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
	from  int64 // what begins before it costs nothing
	cost  int64
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
			r.pay(c, r.trace.end-c.last)
		}
	}
	return r
}

// pay adds to the cost what a gap after the last request of c costs.
func (r *replay) pay(c *conn, cost int64) {
	if c.last >= r.from {
		r.cost += cost
	}
}

func (r *replay) request(t *testing.T, client uint64, now int64) {
	c := r.conns[client]
	if c == nil {
		c = &conn{client: client}
		r.conns[client] = c
	}
	if c.open {
		r.pay(c, now-c.last)
		r.books.Returned(client, 0, uint32(now-c.last))
	} else {
		if c.requests > 0 {
			r.pay(c, r.worth)
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
		r.pay(c, now-c.last)
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
