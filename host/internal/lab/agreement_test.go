package lab

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/lab/demand"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
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
// same, each of them, down to the state that they leave, and be applied when they
// were, or dropped; inside the call, or up to 30 ms later.
func TestReplayDecidesAsTheHostDid(t *testing.T) {
	for _, spec := range []string{"adaptive", "fixed:2s", "pressure"} {
		for _, late := range []int64{0, 30e6} {
			t.Run(fmt.Sprint(spec, " ", time.Duration(late)), func(t *testing.T) { replaysAsRecorded(t, spec, late) })
		}
	}
}

func replaysAsRecorded(t *testing.T, spec string, late int64) {
	live, kept := recordLive(t, spec, late)
	cfg := live.config(t)
	p := bundled(t, spec)
	pl := newPlayer(&cfg, &p, live.header)
	defer pl.close()
	replayed := new(keeper)
	tenant, err := pl.tenant(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	tenant.accounts[abi.SideAccepted].SetTape(replayed)
	source, _ := cfg.Open()
	if err := pl.run(t.Context(), newAhead(demand.New(source, demand.Config{}), &pl.exact), nil); err != nil {
		t.Fatal(err)
	}
	a := pl.finish().Outcome.Agreement
	if a == nil || a.Recorded != kept || a.Same != a.Recorded || kept < 1000 {
		t.Errorf("%+v of %d", a, kept)
	}
	sameAnswers(t, replayed.all, live.all, late > 0)
	other, err := Play(t.Context(), cfg, bundled(t, "fixed:3s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if other.Outcome.Agreement != nil {
		t.Error("it is compared with another policy")
	}
}

// sameAnswers fails unless the answers of want are among those of got, in their
// order: what they were, when they were applied, and which of them were dropped.
// A replay may ask in between, and count connections otherwise, where the host's
// look was so late that a client was back before.
func sameAnswers(t *testing.T, got, want []trace.Record, late bool) {
	t.Helper()
	answers := func(all []trace.Record) (list []string) {
		for _, r := range all {
			if r.Conn = 0; r.Kind == trace.KindAnswer {
				list = append(list, fmt.Sprintf("%v, state %x, leases %v", &r, r.Answer.State, r.Answer.Leases))
			}
		}
		return list
	}
	left := answers(got)
	for _, a := range answers(want) {
		i := slices.Index(left, a)
		if i < 0 {
			t.Fatalf("this answer is none of the replay's:\n%s", a)
		}
		left = left[i+1:]
	}
	dropped := slices.ContainsFunc(want, func(r trace.Record) bool { return r.Kind == trace.KindAnswer && r.Answer.Dropped })
	if dropped != late {
		t.Errorf("an answer was dropped: %v", dropped)
	}
}

// later is a policy whose answers come so much later, by chance.
type later struct {
	policy.Policy
	host *host
	late int64
}

func (l later) Decide(a *policy.Ask) policy.Verdict {
	v, ask := l.Policy.Decide(a), *a
	if l.late == 0 || a.Reply == nil {
		return v
	}
	l.host.at(l.host.world.Now()+l.host.rand.Int64N(l.late), func() {
		ask.Reply.Answered(&ask, v)
		l.host.world.Settle()
	})
	return policy.Verdict{Source: policy.SourcePending}
}

func recordLive(t *testing.T, spec string, late int64) (_ *tape, questions int64) {
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
	h.account = idle.NewAccount("default", later{decider{policy: loaded}, h, late}, books.New(books.Config{}), StandardTimeouts(abi.SideAccepted), limits)
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
		if next := h.todo[0].at; next > h.world.Now() {
			if late > 0 {
				next = min(next, h.world.Now()+2e6) // answers may be due before
			}
			h.world.Advance(next)
			continue
		}
		heap.Pop(&h.todo).(struct {
			at int64
			do func()
		}).do()
	}
	for _, r := range k.all {
		if r.Kind == trace.KindAsk {
			questions++
		}
	}
	return &k.tape, questions
}
