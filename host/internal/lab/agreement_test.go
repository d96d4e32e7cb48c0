package lab

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/engine"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// keeper is a Tape that keeps what it is told.
type keeper struct{ tape }

func (*keeper) Takes(uint64) bool { return true }
func (k *keeper) Take(r trace.Record) {
	r.Own()
	k.all = append(k.all, r)
}

// todo are things to be done at a time.
type todo []struct {
	at int64
	do func()
}

func (l todo) Len() int           { return len(l) }
func (l todo) Less(i, j int) bool { return l[i].at < l[j].at }
func (l todo) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *todo) Push(x any) {
	*l = append(*l, x.(struct {
		at int64
		do func()
	}))
}
func (l *todo) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	*l = (*l)[:last]
	return x
}

// host is a host on which clients come and go, in virtual time, whose
// goroutines are late by chance.
type host struct {
	world   *idle.Virtual
	account *idle.Account
	rand    *rand.Rand
	todo    todo
	ended   map[uint64]bool
}

func (h *host) at(t int64, f func()) {
	heap.Push(&h.todo, struct {
		at int64
		do func()
	}{t, f})
}

func (h *host) Asked(*idle.Account, *policy.Ask, policy.Verdict, time.Duration) {}
func (h *host) Reused(*idle.Account, time.Duration)                             {}
func (h *host) Late(*idle.Account, uint64, time.Duration, bool)                 {}
func (h *host) Returned(*idle.Account, uint64, time.Duration)                   {}
func (h *host) Ended(e *idle.End)                                               { h.ended[e.ID] = true }

// session has a client make requests with gaps of its habit, on a new
// connection where the host has closed the last.
func (h *host) session(client uint64, left int, gap func() int64) {
	c := h.world.Open(h.account, client, abi.SideAccepted)
	c.SetProtocol(abi.ProtocolHTTP1)
	if client%3 == 0 {
		c.SetHandshake(1)
	}
	if h.world.Admit(c) != nil {
		return
	}
	h.request(c, client, left, gap)
}

func (h *host) request(c *idle.Conn, client uint64, left int, gap func() int64) {
	if h.ended[c.ID()] {
		h.session(client, left, gap)
		return
	}
	header := h.rand.Int64N(20e6)
	h.world.Stir(c)
	h.at(h.world.Now()+header, func() {
		if h.ended[c.ID()] {
			return
		}
		c.Begin(0, left%4 == 0)
		h.at(h.world.Now()+h.rand.Int64N(300e6), func() {
			if h.ended[c.ID()] {
				return
			}
			c.SetPhase(abi.PhaseWrite)
			h.world.Pass(c, 300, 2000)
			c.End()
			next := h.world.Now() + gap()
			switch {
			case left > 0:
				h.at(next, func() { h.request(c, client, left-1, gap) })
			case client%2 == 0:
				h.at(next, func() {
					if !h.ended[c.ID()] {
						h.world.Leave(c, policy.ReasonPeer)
					}
				})
			}
		})
	})
}

// TestReplayDecidesAsTheHostDid plays what a host took down, whose looks are up
// to 40 ms late, through the policy that decided there: the answers must be the
// same, each of them, down to the state that they leave.
func TestReplayDecidesAsTheHostDid(t *testing.T) {
	for _, spec := range []string{"adaptive", "fixed:2s", "pressure"} {
		live, kept := recordLive(t, spec)
		cfg := live.config(t)
		p, err := Play(t.Context(), cfg, bundled(t, spec), nil)
		if err != nil {
			t.Fatal(err)
		}
		a := p.Outcome.Agreement
		if a == nil || a.Recorded != kept || a.Same != a.Recorded || kept < 1000 {
			t.Errorf("%s: %+v of %d", spec, a, kept)
		}
		other, err := Play(t.Context(), cfg, bundled(t, "fixed:3s"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if other.Outcome.Agreement != nil {
			t.Errorf("%s is compared with another policy", spec)
		}
	}
}

func recordLive(t *testing.T, spec string) (_ *tape, questions int64) {
	t.Helper()
	p := bundled(t, spec)
	loaded, err := newEngine(t).Load(t.Context(), engine.Source{Name: p.Name, Wasm: p.Wasm, Params: p.Params})
	if err != nil {
		t.Fatal(err)
	}
	h := &host{rand: rand.New(rand.NewPCG(3, 4)), ended: map[uint64]bool{}}
	start := time.UnixMilli(1_700_000_000_123)
	h.world = idle.NewVirtual(idle.Config{Observer: h}, idle.World{Start: start, Seed: 9, Late: func(_ uint64, now int64) int64 {
		return now + h.rand.Int64N(40e6)
	}})
	limits := StandardLimits()
	limits.Worth = 2 * time.Minute
	h.account = idle.NewAccount("default", decider{policy: loaded}, books.New(books.Config{}), StandardTimeouts(abi.SideAccepted), limits)
	k := &keeper{tape{header: trace.Header{Start: start.UnixNano(), Granularity: int64(h.world.Granularity()), Origin: "live"}}}
	k.then(
		trace.Record{Kind: trace.KindTenant, Tenant: 0, Name: "default"},
		trace.Record{Kind: trace.KindPolicy, Role: policy.RoleActive, Name: loaded.Digest(), Params: paramLines(p.Params)},
		trace.Record{Kind: trace.KindRules, Rules: &trace.Rules{Timeouts: StandardTimeouts(abi.SideAccepted), Limits: limits}},
	)
	h.account.SetTape(k)
	for client := range uint64(60) {
		habit := int64(100e6) << (client % 9)
		h.at(h.rand.Int64N(300*second), func() {
			h.session(client+1, 40, func() int64 { return habit/2 + h.rand.Int64N(habit) })
		})
	}
	for len(h.todo) > 0 {
		next := heap.Pop(&h.todo).(struct {
			at int64
			do func()
		})
		h.world.Advance(next.at)
		next.do()
	}
	for _, r := range k.all {
		if r.Kind == trace.KindAsk {
			questions++
		}
	}
	return &k.tape, questions
}
