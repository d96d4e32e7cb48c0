package idle

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// later is a policy.Policy whose answers come when a test says so, in order. It
// complains of a second question about a connection that has one open.
type later struct {
	t      testing.TB
	closes bool // it wants to be told of ends

	mu    sync.Mutex // guards the following
	open  []*policy.Ask
	asked []policy.Event
}

func (l *later) WantsClose() bool { return l.closes }

func (l *later) Decide(a *policy.Ask) policy.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.open {
		if o.Event.Conn == a.Event.Conn && a.Event.Kind != uint8(abi.KindClose) {
			l.t.Errorf("asked for %v while asked for %v", abi.Kind(a.Event.Kind), abi.Kind(o.Event.Kind))
		}
	}
	q := *a
	q.Gaps = nil
	l.open, l.asked = append(l.open, &q), append(l.asked, a.Event)
	return policy.Verdict{Source: policy.SourcePending}
}

// answer answers the oldest question.
func (l *later) answer(v policy.Verdict, edits ...func(*policy.Event)) {
	l.t.Helper()
	l.mu.Lock()
	if len(l.open) == 0 {
		l.mu.Unlock()
		l.t.Fatal("nothing is asked")
	}
	q := l.open[0]
	l.open = l.open[1:]
	l.mu.Unlock()
	for _, edit := range edits {
		edit(&q.Event)
	}
	v.Source = policy.SourcePolicy
	q.Reply.Answered(q, v)
}

// count returns how many questions have been put.
func (l *later) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.asked)
}

// last returns the question put last.
func (l *later) last() policy.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked[len(l.asked)-1]
}

var (
	closing = policy.Verdict{Action: abi.ActionClose}
	leave   = policy.Verdict{Action: abi.ActionDefault}
)

// state marks the connection's bytes.
func state(b byte) func(*policy.Event) { return func(e *policy.Event) { e.State[0] = b } }

// lease asks for a lease of phase Idle.
func lease(ms uint32) func(*policy.Event) {
	return func(e *policy.Event) { e.Leases[abi.PhaseIdle] = ms }
}

// laterBubble is bubble with a policy that answers later, and an idle timeout.
func laterBubble(t *testing.T, idle time.Duration, f func(b *bench, l *later)) {
	t.Helper()
	l := &later{t: t}
	bubble(t, l.Decide, policy.Limits{}, func(b *bench) {
		b.acct.Policy = l
		law := testTimeouts
		law[abi.PhaseIdle].Idle, law[abi.PhaseStreamIdle].Idle = idle, idle
		b.acct.SetLaw(law, policy.Limits{})
		f(b, l)
		for len(l.open) > 0 { // so that nothing is left behind
			l.answer(leave)
		}
	})
}

// askedAt asserts that the question number n is put when d has passed, and not
// a nanosecond before.
func (b *bench) askedAt(l *later, n int, d time.Duration) {
	b.Helper()
	if d > 0 {
		b.pass(d - 1)
		if got := l.count(); got != n-1 {
			b.Fatalf("%d questions before %v, want %d", got, d, n-1)
		}
		b.pass(1)
	}
	synctest.Wait()
	if got := l.count(); got != n {
		b.Fatalf("%d questions at %v, want %d", got, d, n)
	}
}

// atRest asserts that the connection goes on.
func (b *bench) goesOn() {
	b.Helper()
	synctest.Wait()
	if r, ok := b.conn.Ending(); ok {
		b.Fatalf("ended: %v", r)
	}
}

func (b *bench) endsFor(want policy.Reason) {
	b.Helper()
	synctest.Wait()
	if r, ok := b.conn.Ending(); !ok || r != want {
		b.Fatalf("ending %v for %v, want for %v", ok, r, want)
	}
}

// TestADeadlineCountsFromTheQuestion, however late the answer is, up to the
// deadline and beyond: then the next question is put at the wheel's next step.
func TestADeadlineCountsFromTheQuestion(t *testing.T) {
	const idle, step = time.Second, 10 * time.Millisecond
	for _, late := range []time.Duration{0, 1, time.Millisecond, 5*time.Second - 1, 5 * time.Second, 6 * time.Second, 10*time.Second - 1} {
		laterBubble(t, idle, func(b *bench, l *later) {
			l.answer(leave)
			b.askedAt(l, 2, idle)
			if e := l.last(); e.Kind != uint8(abi.KindTimeout) || e.DeadlineMs != 1000 {
				b.Errorf("asked %+v", e)
			}
			b.pass(late)
			l.answer(extend(5*time.Second), state(9))
			b.goesOn()
			next := max(5*time.Second-late, 0)
			if next == 0 { // at once: the shard is woken, and its wheel has steps
				next = step - late%step
			}
			b.askedAt(l, 3, next)
			if e := l.last(); e.State[0] != 9 || time.Duration(e.IdleMs)*time.Millisecond != max(6*time.Second, idle+late+step-late%step).Truncate(time.Millisecond) && late < 5*time.Second {
				b.Errorf("late by %v: asked %+v", late, e)
			}
			l.answer(closing)
			b.endsFor(policy.ReasonPolicy)
		})
	}
}

// TestTheFloorCountsFromTheQuestion, too: a close is put off until then.
func TestTheFloorCountsFromTheQuestion(t *testing.T) {
	laterBubble(t, time.Second, func(b *bench, l *later) {
		law := testTimeouts
		law[abi.PhaseIdle].Idle = time.Second
		b.acct.SetLaw(law, policy.Limits{Floor: 3 * time.Second})
		l.answer(leave, func(*policy.Event) {})
		b.askedAt(l, 2, time.Second)
		b.pass(500 * time.Millisecond)
		l.answer(closing)
		b.goesOn()
		b.askedAt(l, 3, 1500*time.Millisecond)
		l.answer(closing)
		b.endsFor(policy.ReasonPolicy)
	})
}

// TestPatienceIsOver: a question without an answer holds a connection for ten
// seconds, then the law decides, which may hold it longer.
func TestPatienceIsOver(t *testing.T) {
	for _, c := range []struct{ law, ends time.Duration }{
		{5 * time.Second, 11 * time.Second},
		{11*time.Second + 10*time.Millisecond, 11*time.Second + 10*time.Millisecond},
		{30 * time.Second, 30 * time.Second},
	} {
		laterBubble(t, c.law, func(b *bench, l *later) {
			b.serve()
			l.answer(policy.Verdict{Leases: true, Role: policy.RoleCanary}, lease(1000))
			b.askedAt(l, 2, time.Second)
			b.aliveFor(c.ends - time.Second)
			b.pass(time.Second)
			end := b.log.end(b.T)
			if end.Reason != policy.ReasonDefault || end.Verdict.Fault != policy.FaultNotLoaded ||
				end.Verdict.Source != policy.SourceFallback || end.Verdict.Role != policy.RoleCanary || end.Asks != 2 {
				b.Errorf("end %+v, want the default reason for a canary that is not loaded, after 2 questions", end)
			}
			if l.count() != 2 {
				b.Errorf("%d questions", l.count())
			}
			l.answer(extend(time.Hour)) // nobody heeds it
		})
	}
}

// TestAnAnswerAtTheLastMoment is one within patience.
func TestAnAnswerAtTheLastMoment(t *testing.T) {
	laterBubble(t, time.Second, func(b *bench, l *later) {
		l.answer(leave)
		b.askedAt(l, 2, time.Second)
		b.pass(10*time.Second - 1)
		l.answer(extend(time.Minute))
		b.askedAt(l, 3, 50*time.Second+1)
	})
}

// TestAnAnswerThatComesAfterUse has no action and no leases; its bytes and the
// wish for a line in the log stay. The deadline of the next idle period, which
// has passed meanwhile, waits for it.
func TestAnAnswerThatComesAfterUse(t *testing.T) {
	for _, verdict := range []policy.Verdict{closing, extend(time.Hour)} {
		laterBubble(t, time.Second, func(b *bench, l *later) {
			b.serve()
			l.answer(leave)
			b.askedAt(l, 2, time.Second)
			b.send(1)
			b.conn.Begin(0, false)
			b.conn.End()
			b.pass(1500 * time.Millisecond)
			b.goesOn()
			if l.count() != 2 {
				b.Fatalf("%d questions", l.count())
			}
			verdict.Leases, verdict.Log = true, true
			l.answer(verdict, lease(7000), state(9))
			b.goesOn()
			b.askedAt(l, 3, 0)
			if e := l.last(); e.State[0] != 9 || e.Leases[abi.PhaseIdle] == 7000 || e.Asks != 2 {
				b.Errorf("asked %+v", e)
			}
			l.answer(closing)
			b.endsFor(policy.ReasonPolicy)
			synctest.Wait()
			if end := b.log.end(b.T); !end.Log || end.Asks != 3 || b.log.asks != 3 {
				b.Errorf("%+v, %d answers told", end, b.log.asks)
			}
		})
	}
}

// TestTheAnswerToAcceptAppliesWhenItComes: no deadline is asked about before,
// its leases and its state hold from then on.
func TestTheAnswerToAcceptAppliesWhenItComes(t *testing.T) {
	laterBubble(t, time.Second, func(b *bench, l *later) {
		b.serve()
		b.pass(500 * time.Millisecond)
		b.send(1) // a request does not wait
		b.conn.Begin(0, false)
		b.conn.End()
		b.pass(2 * time.Second)
		b.goesOn()
		if l.count() != 1 {
			b.Fatalf("%d questions", l.count())
		}
		l.answer(policy.Verdict{Leases: true, Action: abi.ActionExtend, Deadline: time.Millisecond}, lease(4000), state(7))
		b.askedAt(l, 2, 2*time.Second)
		if e := l.last(); e.State[0] != 7 || e.Asks != 1 {
			b.Errorf("asked %+v", e)
		}
	})
}

// TestTheLeaseOfALateAcceptCountsFromIt.
func TestTheLeaseOfALateAcceptCountsFromIt(t *testing.T) {
	for _, late := range []time.Duration{0, 1, time.Second, 3*time.Second - 1} {
		laterBubble(t, time.Minute, func(b *bench, l *later) {
			b.pass(late)
			l.answer(extend(3 * time.Second))
			b.askedAt(l, 2, 3*time.Second-late)
		})
	}
	laterBubble(t, time.Second, func(b *bench, l *later) { // and patience, too
		b.aliveFor(10 * time.Second)
		b.endsFor(policy.ReasonDefault)
	})
}

// TestCloseAtALateAccept ends the connection when nothing is under way on it.
func TestCloseAtALateAccept(t *testing.T) {
	laterBubble(t, time.Minute, func(b *bench, l *later) { // idle
		b.serve()
		b.pass(time.Millisecond)
		l.answer(closing)
		b.endsFor(policy.ReasonPolicy)
		synctest.Wait()
		if end := b.log.end(b.T); end.Reason != policy.ReasonPolicy || end.Idle != time.Millisecond {
			b.Errorf("end %+v, want the policy's after 1ms idle", end)
		}
	})
	laterBubble(t, time.Minute, func(b *bench, l *later) { // in a request
		b.request()
		l.answer(closing)
		b.goesOn()
		if !b.conn.Begin(0, false) {
			b.Error("refused")
		}
		b.pass(time.Second)
		b.goesOn()
		b.conn.End()
		b.endsFor(policy.ReasonPolicy)
	})
	laterBubble(t, time.Minute, func(b *bench, l *later) { // in the last of two
		b.conn.SetProtocol(abi.ProtocolHTTP2)
		b.conn.SetPhase(abi.PhaseStreamIdle)
		var told []policy.Reason
		b.conn.SetEnder(func(r policy.Reason) { told = append(told, r) })
		b.conn.Begin(0, false)
		b.conn.Begin(0, false)
		l.answer(closing)
		b.conn.End()
		b.goesOn()
		b.conn.End()
		b.endsFor(policy.ReasonPolicy)
		if len(told) != 1 || told[0] != policy.ReasonPolicy {
			b.Errorf("told %v", told)
		}
	})
	laterBubble(t, time.Minute, func(b *bench, l *later) { // a session that rests
		b.conn.SetProtocol(abi.ProtocolHTTP2)
		b.conn.SetPhase(abi.PhaseStreamIdle)
		told := 0
		b.conn.SetEnder(func(policy.Reason) { told++ })
		l.answer(closing)
		b.endsFor(policy.ReasonPolicy)
		if told != 1 {
			b.Errorf("told %d times", told)
		}
	})
	laterBubble(t, time.Minute, func(b *bench, l *later) { // a tunnel never rests
		b.conn.SetPhase(abi.PhaseTunnel)
		l.answer(closing)
		b.pass(time.Minute)
		b.goesOn()
		b.askedAt(l, 2, 59*time.Minute+10*time.Millisecond) // a phase begins at the clock's next step
		l.answer(closing)
		b.endsFor(policy.ReasonPolicy)
	})
}

// TestBytesWinAgainstALateClose, and are those of the last request.
func TestBytesWinAgainstALateClose(t *testing.T) {
	for want, end := range map[policy.Reason]func(*Conn, *later){
		policy.ReasonPolicy:   func(_ *Conn, l *later) { l.answer(closing) },
		policy.ReasonPressure: func(c *Conn, l *later) { c.Shut(policy.ReasonPressure); l.answer(closing) },
	} {
		g := New(Config{})
		defer g.Close()
		l := &later{t: t}
		c, far := sockets(t, g, NewAccount("acme", l, nil, testTimeouts, policy.Limits{}), abi.SideAccepted)
		if err := c.Admit(nil); err != nil {
			t.Fatal(err)
		}
		far.Write([]byte("GET"))
		testnet.Eventually(t, "bytes have come", func() bool { return unread(c.inner) > 0 })
		end(c, l)
		if r, ok := c.Ending(); !ok || r != want {
			t.Fatalf("ending %v for %v, want for %v", ok, r, want)
		}
		if n, err := c.Read(make([]byte, 9)); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		c.Begin(0, false)
		if r, ok := c.Ending(); ok {
			t.Fatal("ended with a request for", r)
		}
		c.End()
		if r, ok := c.Ending(); !ok || r != policy.ReasonPolicy {
			t.Errorf("ending %v for %v after %v", ok, r, want)
		}
	}
}

// TestALateCloseOfADialledConnection comes before its next use, or after the
// one that is under way.
func TestALateCloseOfADialledConnection(t *testing.T) {
	laterBubble(t, time.Minute, func(b *bench, l *later) {
		l.answer(leave)
		up := *b
		up.open(abi.SideDialled)
		defer up.peer.Close()
		defer up.conn.Close()
		if !up.conn.Begin(0, false) {
			b.Fatal("refused")
		}
		l.answer(closing)
		up.goesOn()
		if _, err := up.conn.Write([]byte("GET")); err != nil {
			b.Error(err)
		}
		up.conn.End()
		up.endsFor(policy.ReasonPolicy)
		if _, err := up.conn.Write([]byte("GET")); !errors.Is(err, ErrEnded) || up.conn.Begin(0, false) {
			b.Error("used again:", err)
		}
	})
}

// TestOnCloseIsLast: it comes after the answer to what was asked before, with
// the bytes which that has left.
func TestOnCloseIsLast(t *testing.T) {
	laterBubble(t, time.Second, func(b *bench, l *later) {
		l.closes = true
		l.answer(leave, state(1))
		b.askedAt(l, 2, time.Second)
		b.conn.Close()
		b.pass(time.Second)
		if l.count() != 2 {
			b.Fatalf("asked %+v", l.last())
		}
		l.answer(policy.Verdict{Log: true, Action: abi.ActionExtend, Deadline: time.Hour}, state(2))
		if e := l.last(); l.count() != 3 || e.Kind != uint8(abi.KindClose) || e.State[0] != 2 || e.AgeMs != 1000 {
			b.Errorf("asked %+v", e)
		}
		if end := b.log.end(b.T); end.Log || end.Asks != 2 || b.log.asks != 2 {
			b.Errorf("%+v, %d answers told", end, b.log.asks)
		}
		l.answer(leave)
		b.pass(10 * time.Minute)
		if l.count() != 3 {
			b.Errorf("asked %+v", l.last())
		}
	})
	laterBubble(t, time.Second, func(b *bench, l *later) { // nothing is open
		l.closes = true
		l.answer(leave, state(1))
		b.conn.Close()
		if e := l.last(); l.count() != 2 || e.Kind != uint8(abi.KindClose) || e.State[0] != 1 {
			b.Errorf("asked %+v", e)
		}
	})
}

// TestAnAnswerOfTheAccountBefore is nobody's: neither its bytes nor its action
// reach the connection, which its new account has been asked about already.
func TestAnAnswerOfTheAccountBefore(t *testing.T) {
	for _, first := range []string{"old", "new"} {
		laterBubble(t, time.Minute, func(b *bench, old *later) {
			now := &later{t: b.T}
			shop := NewAccount("shop", now, books.New(books.Config{}), testTimeouts, policy.Limits{})
			b.conn.SetPhase(abi.PhaseHeader)
			if err := b.conn.Reassign(shop); err != nil {
				b.Fatal(err)
			}
			if first == "old" {
				old.answer(closing, state(1))
			}
			now.answer(extend(time.Second), state(2))
			if first == "new" {
				old.answer(closing, state(1))
			}
			b.conn.Begin(0, false)
			b.conn.End()
			b.goesOn()
			b.askedAt(now, 2, 75*time.Second)
			if e := now.last(); e.State[0] != 2 || e.Asks != 1 {
				b.Errorf("%s answers first: asked %+v", first, e)
			}
			now.answer(closing)
			b.endsFor(policy.ReasonPolicy)
		})
	}
}

// TestAnAnswerAfterAMove to an account whose policy answers inside the call.
func TestAnAnswerAfterAMove(t *testing.T) {
	laterBubble(t, time.Minute, func(b *bench, l *later) {
		var asked policy.Event
		shop := NewAccount("shop", decide(func(a *policy.Ask) policy.Verdict {
			asked = a.Event
			return extend(time.Second)
		}), nil, testTimeouts, policy.Limits{})
		if err := b.conn.Reassign(shop); err != nil {
			b.Fatal(err)
		}
		l.answer(closing, state(1))
		b.pass(time.Second)
		b.goesOn()
		if asked.Kind != uint8(abi.KindTimeout) || asked.State[0] != 0 {
			b.Errorf("asked %+v", asked)
		}
	})
}

// TestALateRefusalOfAReassignedConnection ends it after its request.
func TestALateRefusalOfAReassignedConnection(t *testing.T) {
	bubble(t, native, policy.Limits{}, func(b *bench) {
		l := &later{t: b.T}
		shop := NewAccount("shop", l, nil, testTimeouts, policy.Limits{})
		b.request()
		if err := b.conn.Reassign(shop); err != nil || b.conn.Account() != shop {
			b.Fatal(err)
		}
		l.answer(closing)
		b.goesOn()
		b.conn.Begin(0, false)
		b.conn.End()
		b.endsFor(policy.ReasonPolicy)
		b.pass(time.Second)
		if b.acct.Open() != 0 || shop.Open() != 0 {
			b.Errorf("%d and %d open", b.acct.Open(), shop.Open())
		}
	})
}

// TestDrainsDoNotWaitForAnswers, nor do retirements and evictions.
func TestDrainsDoNotWaitForAnswers(t *testing.T) {
	for name, drain := range map[string]func(*bench){
		"drain":  func(b *bench) { b.gov.Drain(context.Background()) },
		"retire": func(b *bench) { b.acct.Retire(policy.ReasonDrain) },
		"evict":  func(b *bench) { b.gov.Shrink(1) },
		"shut":   func(b *bench) { b.conn.Shut(policy.ReasonPressure) },
	} {
		for asked := range 2 {
			laterBubble(t, time.Second, func(b *bench, l *later) {
				b.serve()
				if asked > 0 {
					l.answer(leave)
					b.askedAt(l, 2, time.Second)
				} else {
					b.pass(introductionTime)
				}
				drain(b)
				synctest.Wait()
				if n := b.acct.Open(); n != 0 {
					b.Errorf("%s, after %d answers: %d open", name, asked, n)
				}
				l.answer(extend(time.Hour))
				b.pass(time.Minute)
				if r := b.log.end(b.T).Reason; r == policy.ReasonPolicy {
					b.Errorf("%s: ended for %v", name, r)
				}
			})
		}
	}
}

// TestAnAnswerDuringAnEnd changes neither its reason nor its time, and is not
// the last that was decided.
func TestAnAnswerDuringAnEnd(t *testing.T) {
	laterBubble(t, time.Second, func(b *bench, l *later) {
		l.answer(extend(time.Minute))
		b.pass(time.Minute)
		b.conn.Shut(policy.ReasonPressure)
		l.answer(closing, state(1))
		b.endsFor(policy.ReasonPressure)
		b.conn.Close()
		if end := b.log.end(b.T); end.Verdict.Action != abi.ActionExtend || end.Reason != policy.ReasonPressure {
			b.Errorf("end %+v, want pressure, and the verdict to extend that was there before", end)
		}
	})
}

// TestStatusOfAQuestion: what is being asked is due.
func TestStatusOfAQuestion(t *testing.T) {
	laterBubble(t, time.Second, func(b *bench, l *later) {
		var s Status
		if b.conn.Status(&s); s.Due != 0 {
			b.Errorf("due in %v", s.Due)
		}
		l.answer(leave)
		if b.conn.Status(&s); s.Due != time.Second {
			b.Errorf("due in %v", s.Due)
		}
	})
}

// elsewhere is a policy.Policy that answers on other goroutines, after a random time
// or never.
type elsewhere struct {
	wg      sync.WaitGroup
	answers atomic.Int64 // without those to on_close
	told    atomic.Int64 // by the Observer
}

func (*elsewhere) WantsClose() bool { return true }

func (e *elsewhere) Decide(a *policy.Ask) policy.Verdict {
	q, r := *a, a.Event.Random
	q.Gaps = nil
	if r%32 == 0 {
		return policy.Verdict{Source: policy.SourcePending}
	}
	if q.Event.Kind != uint8(abi.KindClose) {
		e.answers.Add(1)
	}
	e.wg.Go(func() {
		if r%3 != 0 {
			<-time.After(time.Duration(r % 3_000_000))
		}
		v := policy.Verdict{Source: policy.SourcePolicy, Action: abi.ActionExtend, Deadline: time.Millisecond, Log: r%2 == 0}
		switch r % 5 {
		case 0:
			v.Action = abi.ActionClose
		case 1:
			q.Event.Leases[abi.PhaseIdle], v.Leases = 1, true
		}
		q.Event.State[0]++
		q.Reply.Answered(&q, v)
	})
	return policy.Verdict{Source: policy.SourcePending}
}

// counter counts the answers that the Observer hears of.
type counter struct {
	noObserver
	e *elsewhere
}

func (c counter) Asked(_ *Account, a *policy.Ask, _ policy.Verdict, _ time.Duration) {
	if a.Event.Kind != uint8(abi.KindClose) {
		c.e.told.Add(1)
	}
}

// TestHammerAnswers lets answers come while everything else happens.
func TestHammerAnswers(t *testing.T) {
	e := &elsewhere{}
	g := New(Config{Granularity: time.Millisecond, Linger: time.Millisecond, Observer: counter{e: e}})
	law := testTimeouts
	law[abi.PhaseIdle].Idle = time.Millisecond
	a := NewAccount("acme", e, books.New(books.Config{}), law, policy.Limits{Connections: 20, Ceiling: 20 * time.Millisecond})
	b := NewAccount("other", e, nil, law, policy.Limits{Ceiling: 20 * time.Millisecond})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 40 {
				if (i+j)%4 == 0 {
					wg.Go(func() {
						c := guest(g, b, byte(i))
						if c.Admit(nil) == nil {
							c.SetPhase(abi.PhaseHeader)
							c.Reassign(a)
							c.Begin(0, false)
							c.End()
						}
						c.Close()
					})
				}
				hammerOne(t, g, a)
			}
		})
	}
	wg.Wait()
	e.wg.Wait()
	g.Close()
	if g.Open() != 0 || a.Open() != 0 || b.Open() != 0 {
		t.Fatalf("%d open, %d and %d of the accounts", g.Open(), a.Open(), b.Open())
	}
	if n, told := e.answers.Load(), e.told.Load(); n < 300 || told != n {
		t.Errorf("%d answers, told of %d", n, told)
	}
}

// TestLateAnswersAllocateLittle: only what the pools lack.
func TestLateAnswersAllocateLittle(t *testing.T) {
	var q policy.Ask
	d := decide(func(a *policy.Ask) policy.Verdict {
		q = *a
		return policy.Verdict{Source: policy.SourcePending}
	})
	v := NewVirtual(Config{}, World{})
	c := v.Open(NewAccount("acme", d, nil, testTimeouts, policy.Limits{}), 7, abi.SideAccepted)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	q.Reply.Answered(&q, extend(time.Second))
	if n := testing.AllocsPerRun(100, func() {
		c.mu.Lock()
		c.askLocked(v.question, abi.KindTimeout, v.Now())
		c.mu.Unlock()
		q.Reply.Answered(&q, extend(time.Second))
	}); n > 1 { // the race detector has pools forget
		t.Errorf("%v allocations", n)
	}
}
