package tenant

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/longtest"
	"idlehost/sdk/abi"
)

// fakeRemote is a guest in another process, which answers when a test says so,
// in order.
type fakeRemote struct {
	fakeGuest
	elsewhere *sync.WaitGroup // when set, it answers on goroutines of this

	mu   sync.Mutex // guards the following
	open []func(policy.Verdict, policy.Fault, ...func(*policy.Event))
}

func remote(digest string) *fakeRemote { return &fakeRemote{fakeGuest: fakeGuest{digest: digest}} }

func (r *fakeRemote) lane() *RoleVersion {
	return &RoleVersion{Version: Version{Digest: r.digest}, Guest: r}
}

func (r *fakeRemote) Decide(*policy.Ask) (policy.Verdict, policy.Fault) {
	return policy.Verdict{}, policy.FaultNotLoaded
}

func (r *fakeRemote) Ask(ask *policy.Ask, to Answerer) {
	r.asked.Add(1)
	q := &policy.Ask{Event: ask.Event}
	if ask.Gaps != nil {
		gaps := *ask.Gaps
		q.Gaps = &gaps
	}
	tell := func(v policy.Verdict, f policy.Fault, edits ...func(*policy.Event)) {
		if r.closed.Load() != 0 {
			r.late.Add(1)
		}
		for _, edit := range edits {
			edit(&q.Event)
		}
		to.Answered(q, v, f)
	}
	if r.elsewhere != nil {
		v, f := policy.Verdict{Action: abi.ActionExtend, Deadline: time.Second}, policy.Fault(q.Event.Random%uint64(policy.Faults))
		r.elsewhere.Go(func() { tell(v, f) })
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, tell)
}

// tell answers the oldest question.
func (r *fakeRemote) tell(v policy.Verdict, f policy.Fault, edits ...func(*policy.Event)) {
	r.mu.Lock()
	first := r.open[0]
	r.open = r.open[1:]
	r.mu.Unlock()
	first(v, f, edits...)
}

// waiting returns how many questions are open.
func (r *fakeRemote) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// told is a Replier that remembers.
type told struct {
	verdicts []policy.Verdict
	event    policy.Event // of the last
}

func (t *told) Answered(ask *policy.Ask, v policy.Verdict) {
	t.verdicts, t.event = append(t.verdicts, v), ask.Event
}

// later asks, checks that the answer is pending, and returns who waits for it.
func later(t *testing.T, tn *Tenant, ask *policy.Ask) *told {
	t.Helper()
	w := &told{}
	ask.Reply = w
	if v := tn.Decide(ask); v != pending {
		t.Fatalf("%+v, want an answer that is pending", v)
	}
	return w
}

// verdict returns the only answer.
func (t *told) verdict(tb testing.TB) policy.Verdict {
	tb.Helper()
	if len(t.verdicts) != 1 {
		tb.Fatalf("told %+v", t.verdicts)
	}
	return t.verdicts[0]
}

func TestARemoteAnswersLater(t *testing.T) {
	a, c := remote("a"), remote("c")
	tn := New(Config{})
	tn.Set(Plan{Active: a.lane(), Canary: c.lane(), Percent: 50})
	for role, r := range map[policy.Role]*fakeRemote{policy.RoleActive: a, policy.RoleCanary: c} {
		w := later(t, tn, at(abi.KindTimeout, clientOn(t, tn, role)))
		if len(w.verdicts) != 0 {
			t.Fatal("answered before its time")
		}
		r.tell(extend(time.Minute), policy.FaultNone, func(e *policy.Event) { e.State[0] = 3 })
		if v := w.verdict(t); v.Source != policy.SourcePolicy || v.Role != role || v.Deadline != time.Minute || w.event.State[0] != 3 {
			t.Errorf("%v: %+v, %v", role, v, w.event.State)
		}
		if s := sideOf(t, tn, role); s.Asks != 1 || s.Faulted() != 0 {
			t.Errorf("%+v", s)
		}
	}
	// Where nobody takes an answer later, the law's comes now.
	if v := tn.Decide(at(abi.KindTimeout, 1)); v.Fault != policy.FaultNotLoaded || v.Source != policy.SourceFallback {
		t.Errorf("%+v", v)
	}
}

// TestRemediesOfALateFault are those of any other.
func TestRemediesOfALateFault(t *testing.T) {
	previous := &fakeGuest{digest: "p", reason: 5}
	for _, c := range []struct {
		name     string
		fault    policy.Fault
		remedies *policy.Remedies
		want     policy.Verdict
	}{
		{"default", policy.FaultTime, nil, policy.Verdict{Fault: policy.FaultTime}},
		{"keep", policy.FaultRate, nil, policy.Verdict{Action: abi.ActionExtend, Deadline: 5 * time.Second, Fault: policy.FaultRate}},
		{"previous", policy.FaultTime, previousFor(policy.FaultTime), policy.Verdict{Action: abi.ActionExtend, Reason: 5, Fault: policy.FaultTime}},
		{"nonsense", 200, nil, policy.Verdict{Fault: policy.FaultOutput}},
	} {
		a := remote("a")
		tn := New(Config{Remedies: c.remedies})
		tn.Set(Plan{Active: with(previous)})
		tn.Set(Plan{Active: a.lane()})
		w := later(t, tn, at(abi.KindTimeout, 1))
		a.tell(extend(time.Hour), c.fault)
		c.want.Source = policy.SourceFallback
		if v := w.verdict(t); v != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, v, c.want)
		}
		if s := sideOf(t, tn, policy.RoleActive); s.Asks != 1 || s.Faults[c.want.Fault] != 1 || s.Faulted() != 1 {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

// TestARemoteStandsIn where another version has failed, inside the call or
// later. Where it fails, too, the law answers.
func TestARemoteStandsIn(t *testing.T) {
	for _, failing := range []policy.Fault{policy.FaultNone, policy.FaultTrap, policy.FaultNotLoaded} {
		for _, inside := range []bool{true, false} {
			p, a := remote("p"), remote("a")
			tn := New(Config{Remedies: previousFor(policy.FaultTrap)})
			tn.Set(Plan{Active: p.lane()})
			if inside {
				tn.Set(Plan{Active: with(&fakeGuest{digest: "b", fault: policy.FaultTrap})})
			} else {
				tn.Set(Plan{Active: a.lane()})
			}
			w := later(t, tn, at(abi.KindTimeout, 1))
			if !inside {
				a.tell(policy.Verdict{}, policy.FaultTrap)
			}
			if len(w.verdicts) != 0 || p.waiting() != 1 {
				t.Fatalf("told %v, %d questions wait", w.verdicts, p.waiting())
			}
			p.tell(extend(time.Minute), failing)
			want := policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultTrap}
			if failing == policy.FaultNone {
				want.Action, want.Deadline = abi.ActionExtend, time.Minute
			}
			if v := w.verdict(t); v != want {
				t.Errorf("%v, inside %v: %+v, want %+v", failing, inside, v, want)
			}
			if s := sideOf(t, tn, policy.RoleActive); s.Asks != 1 || s.Faulted() != 1 {
				t.Errorf("%+v", s)
			}
			tn.Close()
			isClosed(t, "the previous", &p.fakeGuest, 1)
		}
	}
}

// TestARemoteThatIsNotThere puts connections off, as a policy does that is being
// loaded: nobody is to blame. After ten seconds the law answers; a good answer
// has patience begin anew.
func TestARemoteThatIsNotThere(t *testing.T) {
	a := remote("a")
	tn := New(Config{})
	tn.Set(Plan{Active: a.lane()})
	ask := func(kind abi.Kind, ms uint64, f policy.Fault) policy.Verdict {
		t.Helper()
		q := at(kind, 1)
		q.Event.NowMs = 1_000_000 + ms
		w := later(t, tn, q)
		a.tell(extend(time.Minute), f)
		return w.verdict(t)
	}
	absent := policy.Verdict{Action: abi.ActionExtend, Deadline: 250 * time.Millisecond, Source: policy.SourceFallback, Fault: policy.FaultNotLoaded}
	law := policy.Verdict{Source: policy.SourceFallback, Fault: policy.FaultNotLoaded}
	for _, c := range []struct {
		ms   uint64
		want policy.Verdict
	}{{0, absent}, {10_000, absent}, {10_001, law}} {
		if v := ask(abi.KindTimeout, c.ms, policy.FaultNotLoaded); v != c.want {
			t.Errorf("after %d ms: %+v, want %+v", c.ms, v, c.want)
		}
	}
	if v := ask(abi.KindTimeout, 10_002, policy.FaultNone); v.Source != policy.SourcePolicy {
		t.Errorf("%+v", v)
	}
	if v := ask(abi.KindTimeout, 10_003, policy.FaultNotLoaded); v != absent {
		t.Errorf("after a good answer: %+v", v)
	}
	if v := ask(abi.KindAccept, 10_004, policy.FaultNotLoaded); v != law {
		t.Errorf("at accept: %+v", v)
	}
	if s := sideOf(t, tn, policy.RoleActive); s.Asks != 6 || s.Faults[policy.FaultNotLoaded] != 5 {
		t.Errorf("%+v", s)
	}
	if _, worse := tn.Judge(); worse {
		t.Error("blamed")
	}
}

// TestOnCloseOfARemote that is not there is no fault.
func TestOnCloseOfARemote(t *testing.T) {
	a := &closer{fakeRemote: remote("a")}
	tn := New(Config{})
	tn.Set(Plan{Active: &RoleVersion{Version: Version{Digest: "a"}, Guest: a}})
	w := later(t, tn, at(abi.KindClose, 1))
	a.tell(policy.Verdict{}, policy.FaultNotLoaded)
	if v := w.verdict(t); v.Fault != policy.FaultNotLoaded {
		t.Errorf("%+v", v)
	}
	if s := sideOf(t, tn, policy.RoleActive); s.Faulted() != 0 {
		t.Errorf("%+v", s)
	}
}

// closer wants to be told of ends.
type closer struct{ *fakeRemote }

func (closer) WantsClose() bool { return true }

// TestAShadowIsAskedAfterALateAnswer, with the question as it was put.
func TestAShadowIsAskedAfterALateAnswer(t *testing.T) {
	var seen *policy.Ask
	shadow := &fakeGuest{digest: "s", answer: func(q *policy.Ask) policy.Verdict {
		gaps := *q.Gaps
		seen = &policy.Ask{Event: q.Event, Gaps: &gaps}
		q.Event.State[1] = 2
		return policy.Verdict{Action: abi.ActionClose}
	}}
	var enforced []policy.Verdict
	a := remote("a")
	tn := New(Config{Shadowed: func(_ *policy.Ask, v, _ policy.Verdict) { enforced = append(enforced, v) }})
	tn.Set(Plan{Active: a.lane(), Shadow: with(shadow)})
	q := at(abi.KindTimeout, 7)
	q.Gaps = &policy.Gaps{Unit: 5}
	w := later(t, tn, q)
	q.Gaps.Unit, q.Event.Conn = 6, 99 // the caller's own again
	if seen != nil {
		t.Fatal("asked before the answer")
	}
	a.tell(extend(time.Minute), policy.FaultNone, func(e *policy.Event) { e.State[0], e.Leases[abi.PhaseIdle] = 1, 9 })
	if v := w.verdict(t); v.Deadline != time.Minute || w.event.State[0] != 1 || w.event.State[1] != 0 {
		t.Errorf("%+v, %v", v, w.event.State)
	}
	if seen == nil || seen.Gaps.Unit != 5 || seen.Event.Conn != 8 || seen.Event.Leases[abi.PhaseIdle] != 0 {
		t.Errorf("the shadow was asked %+v", seen)
	}
	if c := tn.Stats().Comparison; c.WouldClose != 1 || c.Asks != 1 || len(enforced) != 1 || enforced[0].Deadline != time.Minute {
		t.Errorf("%+v, %+v", c, enforced)
	}
}

// TestARemoteShadow holds nobody up, and one that is not there is not compared.
func TestARemoteShadow(t *testing.T) {
	for _, name := range []string{"inside", "later"} {
		tn, s, a := New(Config{}), remote("s"), remote("a")
		ask := tn.Decide
		tn.Set(Plan{Active: with(&fakeGuest{digest: "b"}), Shadow: s.lane()})
		if name == "later" {
			tn.Set(Plan{Active: a.lane(), Shadow: &RoleVersion{Version: Version{Digest: "s"}}})
			ask = func(q *policy.Ask) policy.Verdict {
				w := later(t, tn, q)
				a.tell(extend(0), policy.FaultNone)
				return w.verdict(t)
			}
		}
		if v := ask(at(abi.KindTimeout, 7)); v.Source != policy.SourcePolicy || v.Role != policy.RoleActive {
			t.Errorf("%s: %+v", name, v)
		}
		s.tell(policy.Verdict{Action: abi.ActionClose}, policy.FaultNone, func(e *policy.Event) { e.State[0] = 4 })
		if c := tn.Stats().Comparison; c.WouldClose != 1 {
			t.Errorf("%s: %+v", name, c)
		}
		for i, f := range []policy.Fault{policy.FaultNotLoaded, policy.FaultTime} {
			ask(at(abi.KindTimeout, 7))
			s.tell(policy.Verdict{}, f, func(e *policy.Event) {
				if e.State[0] != 4 {
					t.Errorf("%s: its bytes are %v", name, e.State)
				}
			})
			if c := tn.Stats().Comparison; c.Asks != uint64(i+1) || c.Faults != uint64(i) {
				t.Errorf("%s, %v: %+v", name, f, c)
			}
		}
		tn.Set(Plan{})
		isClosed(t, name, &s.fakeGuest, 1)
	}
}

// TestAGuestWaitsForItsLastAnswer before it is closed, and the answer counts.
func TestAGuestWaitsForItsLastAnswer(t *testing.T) {
	for name, end := range map[string]func(*Tenant){
		"closed":  func(tn *Tenant) { tn.Close() },
		"changed": func(tn *Tenant) { tn.Set(Plan{Active: with(&fakeGuest{digest: "b"})}) },
	} {
		a := remote("a")
		tn := New(Config{})
		tn.Set(Plan{Active: a.lane()})
		record := &tn.plan.Load().active.record
		one, two := later(t, tn, at(abi.KindTimeout, 1)), later(t, tn, at(abi.KindTimeout, 2))
		end(tn)
		for _, w := range []*told{one, two} {
			isClosed(t, name, &a.fakeGuest, 0)
			a.tell(extend(time.Minute), policy.FaultNone)
			if v := w.verdict(t); v.Source != policy.SourcePolicy || v.Deadline != time.Minute {
				t.Errorf("%s: %+v", name, v)
			}
		}
		isClosed(t, name, &a.fakeGuest, 1)
		if n := record.asks.Load(); n != 2 {
			t.Errorf("%s: %d questions counted", name, n)
		}
	}
}

// TestHammerRemotes changes plans while Remotes are asked and answer on other
// goroutines: every question is answered once, and no guest is told anything
// after its Close.
func TestHammerRemotes(t *testing.T) {
	var answering sync.WaitGroup
	var all []*fakeRemote
	var mu sync.Mutex // guards all
	l := newLoader()
	l.make = func(v Version) Guest {
		r := remote(v.Digest)
		r.elsewhere = &answering
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
		return r
	}
	tn := New(Config{Loader: l, Remedies: previousFor(policy.FaultTrap, policy.FaultTime), Shadowed: func(*policy.Ask, policy.Verdict, policy.Verdict) {}})
	rnd := rand.New(rand.NewPCG(longtest.Seed(t), 1))
	stop := make(chan struct{})
	var asked, inside atomic.Int64
	answers := &counted{}
	var askers sync.WaitGroup
	for range 3 {
		r := rand.New(rand.NewPCG(rnd.Uint64(), 2))
		askers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				q := at(abi.Kind(r.IntN(3)), r.Uint64N(9))
				q.Event.Random, q.Reply = r.Uint64(), answers
				q.Gaps = &policy.Gaps{}
				asked.Add(1)
				if tn.Decide(q) != pending {
					inside.Add(1)
				}
			}
		})
	}
	lane := func() *RoleVersion {
		if n := rnd.IntN(5); n > 0 {
			return of(fmt.Sprint(n))
		}
		return nil
	}
	for range 300 {
		tn.Set(Plan{Active: lane(), Canary: lane(), Shadow: lane(), Percent: float64(rnd.IntN(101))})
		tn.Warm(t.Context())
		tn.Cool(0)
	}
	close(stop)
	askers.Wait()
	if err := tn.Close(); err != nil {
		t.Fatal(err)
	}
	answering.Wait()
	if n := answers.n.Load(); n == 0 || n+inside.Load() != asked.Load() {
		t.Errorf("%d answers later and %d at once of %d questions", n, inside.Load(), asked.Load())
	}
	for _, r := range all {
		isClosed(t, "guest "+r.digest, &r.fakeGuest, 1)
	}
}

// counted is a Replier that counts.
type counted struct{ n atomic.Int64 }

func (c *counted) Answered(*policy.Ask, policy.Verdict) { c.n.Add(1) }
