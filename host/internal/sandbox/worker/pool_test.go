package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/channel"
)

// inBubble runs a test with a pool that is closed at its end.
func inBubble(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		defer h.Close()
		f(t, h)
	})
}

func TestAnswersComeLaterAndInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		a := policy.Ask{Event: policy.Event{Conn: 1}}
		r := new(replies)
		g.Ask(&a, r)
		a.Event.Conn = 99 // the question was copied
		rest := h.ask(g, 600)
		synctest.Wait()
		if got := r.all(); len(got) != 1 || got[0].conn != 1 || got[0].fault != policy.FaultNone || got[0].state != 1 || got[0].v.Deadline != time.Millisecond {
			t.Errorf("the answer is %+v", got)
		}
		for i, x := range rest.all() {
			if x.conn != uint64(i+1) || x.v.Deadline != time.Duration(i+2)*time.Millisecond {
				t.Fatalf("answer %d is that to question %d, the guest's question %v", i, x.conn, x.v.Deadline)
			}
		}
		if n := len(rest.all()); n != 600 {
			t.Errorf("%d of 600 answers", n)
		}
		if v, fault := g.Decide(&a); fault != policy.FaultNotLoaded || v != (policy.Verdict{}) {
			t.Errorf("inside the call: %v, %v", v, fault)
		}
	})
}

// TestTenantsTakeTurns: who has one question does not wait for one who has many.
func TestTenantsTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		many, one := h.guest("many", Options{}, nil), h.guest("one", Options{}, nil)
		h.world.with(func() { h.world.cost["many"] = 10 * time.Microsecond })
		h.ask(many, 64) // so that its cost is known
		synctest.Wait()
		time.Sleep(time.Second)
		all := h.ask(many, 5000)
		start := time.Now()
		time.Sleep(50 * time.Microsecond) // the first batch is out
		r := h.ask(one, 1)
		time.Sleep(10 * time.Second)
		if took := r.all()[0].at.Sub(start); took > 2*batchTime {
			t.Errorf("waited for %v behind another tenant", took)
		}
		if n := len(all.all()); n != 5000 {
			t.Errorf("%d of 5000 answers", n)
		}
	})
}

// TestBatchIsBoundedByTime: a guest that is known to be dear has one question in
// a batch, and all together no more than others can wait for.
func TestBatchIsBoundedByTime(t *testing.T) {
	var q queue
	guests := map[string]*Guest{}
	for i := range 10 {
		g := &Guest{tenant: fmt.Sprint(i)}
		g.window.average = time.Duration(i) * time.Millisecond
		guests[g.tenant] = g
		for range 400 {
			q.push(&question{guest: g})
		}
	}
	seen := map[string]int{}
	for range 10 {
		var cost time.Duration
		count := map[string]int{}
		for _, x := range q.take(nil, batchSize) {
			cost += x.guest.cost()
			count[x.guest.tenant]++
			seen[x.guest.tenant]++
		}
		if most := 9 * time.Millisecond; cost > batchTime+most {
			t.Errorf("a batch is expected to take %v", cost)
		}
		for tenant, n := range count {
			if tenant > "1" && n > 1 {
				t.Errorf("%d questions of %v each in a batch", n, guests[tenant].cost())
			}
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d of 10 tenants had a turn", len(seen))
	}
}

func TestQuotaOfProcessorTime(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		quota := engine.NewQuota(engine.QuotaConfig{CPUPerSecond: 20 * time.Millisecond})
		g := h.guest("a", Options{}, quota)
		h.world.with(func() { h.world.cost["a"] = 400 * time.Microsecond })
		used := h.ask(g, 150)
		time.Sleep(70 * time.Millisecond) // what 150 would take
		rate := 0
		for _, f := range used.faults() {
			if f == policy.FaultRate {
				rate++
			}
		}
		// 40 ms are saved, 1.4 earned meanwhile; a batch may overdraw by 1 ms.
		if asked := 150 - rate; len(used.all()) != 150 || asked < 100 || asked > 108 {
			t.Errorf("%d of %d were asked, of 40 ms and 0.4 each", asked, len(used.all()))
		}
		if spent := quota.CPUSpent(); spent != h.heard.cpu["a"] || spent < 40*time.Millisecond {
			t.Errorf("spent %v, told of %v", spent, h.heard.cpu["a"])
		}
		time.Sleep(time.Minute)
		again := h.ask(g, 1)
		time.Sleep(time.Millisecond)
		if got := again.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNone}) {
			t.Errorf("a minute later: %v", got)
		}
	})
}

// TestKilledWorker: nobody is blamed, and what was asked is asked again.
func TestKilledWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.guest("a", Options{}, nil), h.guest("b", Options{}, nil)
		h.world.with(func() { h.world.cost["a"] = 100 * time.Microsecond })
		ra, rb := h.ask(a, 20), h.ask(b, 20)
		time.Sleep(250 * time.Microsecond) // the third question
		h.world.living()[0].Kill()
		time.Sleep(time.Second)
		for _, r := range []*replies{ra, rb} {
			if len(r.all()) != 20 || slices.ContainsFunc(r.faults(), func(f policy.Fault) bool { return f != policy.FaultNone }) {
				t.Errorf("answers %v", r.faults())
			}
		}
		if got, want := h.heard.endings(), []string{"shared killed"}; !slices.Equal(got, want) || len(h.heard.moves()) != 0 {
			t.Errorf("told %q, %q, want %q", got, h.heard.moves(), want)
		}
	})
}

// TestQuestionThatSeesManyEnds is given up, without blame.
func TestQuestionThatSeesManyEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() { h.world.ends["a"] = EndKilled })
		r := h.ask(g, 1)
		time.Sleep(time.Minute)
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNotLoaded}) {
			t.Errorf("answers %v", got)
		}
		h.world.with(func() { h.world.ends["a"] = EndStopped })
		r = h.ask(g, 1)
		time.Sleep(time.Second)
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNone}) {
			t.Errorf("afterwards %v", got)
		}
		if n := len(h.heard.endings()); n != questionLives {
			t.Errorf("%d workers ended", n)
		}
	})
}

// TestSpoilerIsFound: what it was asked when its worker ended is asked again where
// nobody else is; when that ends, too, it is not asked for two seconds, for four
// the next time. The neighbour notices nothing.
func TestSpoilerIsFound(t *testing.T) {
	for _, why := range []Ending{EndQuestion, EndCrash} {
		inBubble(t, func(t *testing.T, h *house) {
			bad, good := h.guest("bad", Options{}, nil), h.guest("good", Options{}, nil)
			h.world.with(func() { h.world.ends["bad"] = why; h.world.cost["bad"] = 4 * time.Millisecond })
			start := time.Now()
			rb, rg := h.ask(bad, 1), h.ask(good, 5)
			synctest.Wait()
			time.Sleep(4 * time.Millisecond)
			synctest.Wait()
			if got := rb.faults(); len(got) != 0 || bad.Kind() != Suspects || good.Kind() != Shared || bad.Err() != nil {
				t.Errorf("the first time is proof: %v, in %v, the neighbour in %v, %v", got, bad.Kind(), good.Kind(), bad.Err())
			}
			if got := rg.faults(); len(got) != 5 || slices.ContainsFunc(got, func(f policy.Fault) bool { return f != policy.FaultNone }) {
				t.Errorf("the neighbour's answers %v", got)
			}
			time.Sleep(4 * time.Millisecond)
			synctest.Wait()
			if got := rb.faults(); !slices.Equal(got, []policy.Fault{why.fault()}) {
				t.Errorf("the spoiler's answers %v", got)
			}
			var fault *engine.FaultError
			if err := bad.Err(); !errors.As(err, &fault) || fault.Fault != why.fault() {
				t.Errorf("the spoiler's error is %v", err)
			}
			for wait := 2 * time.Second; wait <= 8*time.Second; wait *= 2 {
				time.Sleep(wait - 1)
				r := h.ask(bad, 1)
				synctest.Wait()
				if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultBreaker}) {
					t.Fatalf("1 ns early, after %v: %v", time.Since(start), got)
				}
				time.Sleep(1)
				r = h.ask(bad, 1)
				synctest.Wait()
				time.Sleep(4 * time.Millisecond)
				synctest.Wait()
				if got := r.faults(); !slices.Equal(got, []policy.Fault{why.fault()}) {
					t.Fatalf("alone, after %v: %v", time.Since(start), got)
				}
			}
			want := []string{"shared bad"}
			for range 4 {
				want = append(want, "suspects bad, proven")
			}
			if got := h.heard.endings(); !slices.Equal(got, replaceAll(want, " bad", " "+why.String()+" bad")) {
				t.Errorf("told %q", got)
			}
			if got := h.heard.moves(); !slices.Equal(got, []string{"bad suspects"}) {
				t.Errorf("moved %q", got)
			}
		})
	}
}

func replaceAll(list []string, old, with string) (out []string) {
	for _, s := range list {
		out = append(out, strings.ReplaceAll(s, old, with))
	}
	return out
}

// TestSlowGuestIsMoved, and comes back when its term is over.
func TestSlowGuestIsMoved(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("slow", Options{}, nil)
		h.world.with(func() { h.world.cost["slow"] = slow + time.Microsecond })
		r := h.ask(g, windowLeast-1)
		time.Sleep(time.Second)
		if g.Kind() != Shared {
			t.Error("moved too early")
		}
		r2 := h.ask(g, 3)
		time.Sleep(time.Second)
		if g.Kind() != Suspects || len(r.all())+len(r2.all()) != windowLeast+2 {
			t.Errorf("in %v, %d answers", g.Kind(), len(r.all())+len(r2.all()))
		}
		if d := r2.all()[2].v.Deadline; d != (windowLeast+2)*time.Millisecond {
			t.Errorf("what it had learned did not go with it: %v", d)
		}
		h.world.with(func() { h.world.cost["slow"] = 0 })
		h.ask(g, 2*windowSize) // it is quick now
		time.Sleep(term - 2*time.Second)
		if g.Kind() != Suspects {
			t.Error("back too early")
		}
		time.Sleep(3 * time.Second)
		if g.Kind() != Shared {
			t.Error("not back")
		}
		if got := h.heard.moves(); !slices.Equal(got, []string{"slow suspects", "slow shared"}) {
			t.Errorf("moved %q", got)
		}
	})
}

// TestSuspectsGetATenth of the processors, all together.
func TestSuspectsGetATenth(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var rs []*replies
		for _, tenant := range []string{"a", "b", "c"} {
			g := h.guest(tenant, Options{}, nil)
			h.world.with(func() { h.world.cost[tenant] = 2 * time.Millisecond })
			rs = append(rs, h.ask(g, 5000))
		}
		time.Sleep(time.Second) // all are suspects
		before := h.world.used()
		time.Sleep(10 * time.Second)
		after := h.world.used()
		want := time.Duration(runtime.GOMAXPROCS(0)) * time.Second
		if used := after - before; used > want+20*time.Millisecond || used < want*8/10 && want <= 2*time.Second {
			t.Errorf("used %v of 10 s, want a tenth of %d processors", used, runtime.GOMAXPROCS(0))
		}
		for i, r := range rs {
			if len(r.all()) < 100 {
				t.Errorf("suspect %d has had %d turns", i, len(r.all()))
			}
		}
	})
}

func TestWorkerThatDoesNotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() { h.world.ends["a"] = EndSilent })
		r := h.ask(g, 1)
		synctest.Wait()
		time.Sleep(patience - 1)
		synctest.Wait()
		if len(h.heard.endings()) != 0 {
			t.Error("given up too early")
		}
		h.world.with(func() { h.world.ends["a"] = EndStopped })
		time.Sleep(1)
		synctest.Wait()
		if got := h.heard.endings(); !slices.Equal(got, []string{"shared silent"}) {
			t.Errorf("told %q", got)
		}
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNone}) {
			t.Errorf("answers %v, of the next worker", got)
		}
	})
}

func TestNonsenseEndsAWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() {
			h.world.answer = func(_ string, _ *channel.Question, a *channel.Answer) { a.Reply = 1 << 63 }
		})
		h.ask(g, 1)
		synctest.Wait()
		if got := h.heard.endings(); !slices.Equal(got, []string{"shared protocol a", "suspects protocol a, proven"}) {
			t.Errorf("told %q", got)
		}
	})
}

// TestPutBack: what a worker has had enough of is asked the next time, in order.
func TestPutBack(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g, other := h.guest("a", Options{}, nil), h.guest("other", Options{}, nil)
		n := 0
		h.world.with(func() {
			h.world.cost["other"] = time.Millisecond
			h.world.answer = func(tenant string, q *channel.Question, a *channel.Answer) {
				if tenant == "other" {
					return
				}
				if n++; n%3 != 1 { // one of three
					a.Fault = policy.FaultBusy
				}
			}
		})
		h.ask(other, 1)
		synctest.Wait()
		r := h.ask(g, 3) // while that is out, so that they go together
		time.Sleep(time.Millisecond + pauseTime - 1)
		synctest.Wait()
		if got := len(r.all()); got != 2 { // all of the third batch was put back
			t.Errorf("%d are answered at once", got)
		}
		time.Sleep(1)
		synctest.Wait()
		var conns []uint64
		for _, x := range r.all() {
			conns = append(conns, x.conn)
		}
		if !slices.Equal(conns, []uint64{2, 3, 4}) { // 1 is the other's
			t.Errorf("answered %v", conns)
		}
	})
}

func TestLoadThatTakesTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		good := h.guest("good", Options{}, nil)
		h.world.with(func() { h.world.loadEnds["bad"] = EndLoad })
		_, err := h.try("bad", Options{}, nil)
		var fault *engine.FaultError
		if !errors.As(err, &fault) || fault.Fault != policy.FaultTime {
			t.Fatalf("the load came to %v", err)
		}
		h.world.with(func() { h.world.loadEnds["bad"] = EndStopped })
		if again := h.guest("bad", Options{}, nil); again.Kind() != Suspects {
			t.Errorf("loaded again in %v", again.Kind())
		}
		r := h.ask(good, 1)
		synctest.Wait()
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNone}) {
			t.Errorf("the neighbour: %v", got)
		}
		h.world.with(func() { h.world.loadEnds["trial"] = EndLoad })
		if _, err = h.try("trial", Options{Trial: true}, nil); !errors.As(err, &fault) || fault.Fault != policy.FaultTime {
			t.Errorf("a check came to %v", err)
		}
		if got, want := h.heard.endings(), []string{
			"shared load_time bad", "suspects load_time bad, proven", "trial load_time trial", "trial load_time trial, proven",
		}; !slices.Equal(got, want) {
			t.Errorf("told %q", got)
		}
	})
}

// TestOwnWorker has one tenant's guests, and ends a while after them.
func TestOwnWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		own, other := h.guest("own", Options{Own: true}, nil), h.guest("other", Options{}, nil)
		if own.Kind() != Own || other.Kind() != Shared || len(h.world.living()) != 2 {
			t.Errorf("in %v and %v, %d processes", own.Kind(), other.Kind(), len(h.world.living()))
		}
		h.ask(own, 5)
		synctest.Wait()
		h.Isolate("own", false)
		synctest.Wait()
		r := h.ask(own, 1)
		synctest.Wait()
		if got := r.all(); own.Kind() != Shared || len(got) != 1 || got[0].v.Deadline != 6*time.Millisecond {
			t.Errorf("in %v, answer %v", own.Kind(), got)
		}
		h.Isolate("own", true)
		synctest.Wait()
		if own.Kind() != Own {
			t.Errorf("back in %v", own.Kind())
		}
		own.Close()
		other.Close()
		time.Sleep(linger + time.Second)
		synctest.Wait()
		if n := h.world.left(); n > 0 {
			t.Errorf("%d processes go on without guests", n)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.Pool.own["own"] != nil || len(h.records) != 0 || len(h.guests) != 0 || len(h.heard.endings()) != 0 {
			t.Errorf("left: %d records, %d guests, told %q", len(h.records), len(h.guests), h.heard.endings())
		}
	})
}

// TestLearnedStateIsKept on a schedule: a worker's end loses no more than that.
func TestLearnedStateIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		for range 25 { // one a second
			h.ask(g, 1)
			time.Sleep(time.Second)
		}
		h.world.living()[0].Kill()
		synctest.Wait()
		if got := g.Learned().Bytes[0]; got < 25-10 || got == 25 {
			t.Errorf("the copy is of question %d", got)
		}
		kept := g.Learned().Bytes[0]
		r := h.ask(g, 1)
		synctest.Wait()
		if got := r.all()[0].v.Deadline; got != time.Duration(kept+1)*time.Millisecond {
			t.Errorf("goes on with %v after %d", got, kept)
		}
		if got := g.Learned().Bytes[0]; got != kept+1 {
			t.Errorf("learned %d, when asked for", got)
		}
	})
}

// TestHistogramsCrossWhenTheyChange, and as often as a worker has lost them.
func TestHistogramsCrossWhenTheyChange(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		var kinds []channel.GapsKind
		var seen []uint32
		h.world.with(func() {
			h.world.answer = func(_ string, q *channel.Question, _ *channel.Answer) {
				kinds = append(kinds, q.Kind)
				seen = append(seen, h.world.livingLocked()[0].guests[q.Guest].gaps.Generation)
			}
		})
		r := new(replies)
		ask := func(generation uint32) {
			gaps := policy.Gaps{Generation: generation}
			g.Ask(&policy.Ask{Gaps: &gaps}, r)
			gaps.Generation = 1000 // it was copied
		}
		for _, n := range []uint32{7, 7, 8, 9, 10, 11, 12, 12} { // more than fit in one batch
			ask(n)
		}
		synctest.Wait()
		ask(12)
		g.Ask(&policy.Ask{}, r)
		synctest.Wait()
		h.world.living()[0].Kill()
		synctest.Wait()
		ask(12)
		synctest.Wait()
		n, s, none := channel.GapsNew, channel.GapsSame, channel.GapsNone
		if want := []channel.GapsKind{n, s, n, n, n, n, n, s, s, none, n}; !slices.Equal(kinds, want) {
			t.Errorf("kinds %v, want %v", kinds, want)
		}
		if want := []uint32{7, 7, 8, 9, 10, 11, 12, 12, 12, 0, 12}; !slices.Equal(seen, want) {
			t.Errorf("generations %v, want %v", seen, want)
		}
	})
}

// TestWorkerThatDoesNotStart is tried again, ever less often; questions are told.
func TestWorkerThatDoesNotStart(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() {
			h.world.failing = 10
			for _, f := range h.world.processes {
				f.endLocked(EndKilled)
			}
		})
		r := h.ask(g, 1)
		time.Sleep(time.Second)
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNotLoaded}) {
			t.Errorf("answers %v", got)
		}
		for range 20 {
			r = h.ask(g, 1)
			time.Sleep(10 * time.Second)
		}
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNone}) {
			t.Errorf("answers %v, when they start again", got)
		}
	})
}

// TestWorkerThatFindsNoCode, which is there, gives way to another.
func TestWorkerThatFindsNoCode(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		h.world.with(func() { h.world.codeless = 1000 })
		h.lend = func(context.Context, *engine.Prepared) error { // in a new folder
			h.world.with(func() { h.world.codeless = len(h.world.processes) })
			return nil
		}
		g := h.guest("a", Options{}, nil)
		r := h.ask(g, 1)
		synctest.Wait()
		if got := r.faults(); !slices.Equal(got, []policy.Fault{policy.FaultNone}) || len(h.heard.endings()) != 0 {
			t.Errorf("answers %v, told %q", got, h.heard.endings())
		}
		h.world.with(func() { h.world.codeless = 1000 })
		h.lend = func(context.Context, *engine.Prepared) error { return nil }
		if _, err := h.try("b", Options{}, nil); !errors.Is(err, engine.ErrNoCode) {
			t.Errorf("where no worker finds it: %v", err)
		}
	})
}

// TestCloseAnswersEverybody.
func TestCloseAnswersEverybody(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		g := h.guest("a", Options{}, nil)
		h.world.with(func() { h.world.cost["a"] = 10 * time.Millisecond })
		r := h.ask(g, 100)
		time.Sleep(25 * time.Millisecond)
		h.Close()
		r2 := h.ask(g, 1)
		synctest.Wait()
		if n := len(r.all()) + len(r2.all()); n != 101 {
			t.Errorf("%d of 101 were answered", n)
		}
		if f := r2.faults()[0]; f != policy.FaultNotLoaded {
			t.Errorf("after the end: %v", f)
		}
		if _, err := h.try("b", Options{}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("a load after the end: %v", err)
		}
		if n := h.world.left(); n > 0 {
			t.Errorf("%d processes are left", n)
		}
		g.Close()
	})
}
