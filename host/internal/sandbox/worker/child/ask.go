package child

import (
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/worker/channel"
)

// batch is what asking needs of a channel.Batch.
type batch interface {
	Len() int
	Question(i int, q *channel.Question)
	Begin(i int)
	Answer(i int, a *channel.Answer)
}

// asker asks guests, on one thread for each batch.
type asker struct {
	guests   *guests
	patience time.Duration                        // with a question
	clock    func() time.Duration                 // processor time of the thread
	arm      func(d time.Duration)                // has the process end after so much of it; 0: not at all
	start    func(n uint32, g *guest, now uint64) // has a new instance made, and does not wait
	fault    func(n uint32, err error)            // tells what a question has failed of

	watched watched
	batch   uint64           // number
	began   time.Duration    // when the run did
	next    channel.Question // the first of the next run
	ask     policy.Ask
	answers []channel.Answer // of a run
	fuel    []uint64         // that each of them took of the thread
}

// watched is what has been asked since the timer was set. Setting it takes half a
// microsecond, so that many small questions share it: the last of them has the
// patience less what 100,000 units and 32 questions take, half a millisecond.
// Where that has taken longer than its fuel says, the next guest does not share it:
// it would be to blame for what another has taken.
type watched struct {
	fuel  uint64
	asked int
	since time.Duration // when its run began
}

const (
	mostWatched = 32
	watchedTime = time.Millisecond / 2
)

// answer answers a batch, in its order.
func (a *asker) answer(b batch) {
	if b.Len() == 0 {
		return
	}
	a.batch++
	a.watched = watched{}
	began := a.clock()
	now := began
	b.Question(0, &a.next)
	for i := 0; i < b.Len(); {
		first := i
		if a.began = now; now-a.watched.since >= watchedTime {
			a.watched = watched{}
		}
		i = a.run(b, i, now, now-began >= batchTime)
		before := now
		now = a.clock()
		a.share(now - before)
		for k := range a.answers {
			b.Answer(first+k, &a.answers[k])
		}
	}
	a.arm(0)
}

// run answers questions from i on of one guest, which began at a time of the
// clock, and returns where the next run begins. late: the batch has had its time.
func (a *asker) run(b batch, i int, began time.Duration, late bool) (next int) {
	n := a.next.Guest
	g := a.guests.find(n)
	a.answers, a.fuel = a.answers[:0], a.fuel[:0]
	fuel := uint64(0) // since the clock was looked at
	for {
		answer := channel.Answer{Fault: policy.FaultNotLoaded, State: a.next.Event.State, Leases: a.next.Event.Leases}
		used := uint64(0)
		if g != nil {
			used = a.one(b, i, g, late, &answer)
		}
		a.answers, a.fuel = append(a.answers, answer), append(a.fuel, used)
		if fuel += used; fuel > lookFuel {
			fuel = 0
			late = late || a.clock()-began >= runTime
		}
		if i++; i == b.Len() {
			return i
		}
		if b.Question(i, &a.next); a.next.Guest != n {
			return i
		}
	}
}

// one answers question i, unless it goes back: then those of the same guest that
// come after it in the batch do, too, so that they stay in order. It returns the
// fuel that it took of this thread.
func (a *asker) one(b batch, i int, g *guest, late bool, answer *channel.Answer) (used uint64) {
	gaps := g.take(&a.next)
	if a.next.Follows {
		a.next.Event.State, a.next.Event.Leases = g.left.State, g.left.Leases
	}
	g.left.State, g.left.Leases = a.next.Event.State, a.next.Event.Leases
	answer.Fault = policy.FaultBusy
	if !late && g.held != a.batch && a.lives(g, answer) {
		used = a.put(b, i, g, gaps, answer)
	}
	if answer.Fault == policy.FaultBusy {
		g.held = a.batch
	}
	return used
}

// lives reports whether a guest can be asked. Where its instance is gone and it
// may have another, that is made elsewhere, and the question goes back meanwhile;
// it pays for it when it comes again, and is told what it has failed of.
func (a *asker) lives(g *guest, answer *channel.Answer) bool {
	switch g.start.state.Load() {
	case starting:
		return false
	case started:
		answer.Fault, answer.Fuel, answer.Time = g.start.fault, g.start.fuel, g.start.took
		g.start.state.Store(idle)
		if answer.Fault != policy.FaultNone {
			a.fault(a.next.Guest, g.policy.Err())
		}
		return answer.Fault == policy.FaultNone
	}
	if !g.faulted || !g.policy.NeedsInstance(a.next.Event.NowMs) {
		return true
	}
	g.start.state.Store(starting)
	a.start(a.next.Guest, g, a.next.Event.NowMs)
	return false
}

// put asks question i.
func (a *asker) put(b batch, i int, g *guest, gaps *policy.Gaps, answer *channel.Answer) (used uint64) {
	a.ask.Event, a.ask.Gaps = a.next.Event, gaps
	a.watch()
	b.Begin(i)
	raw, fault, took := g.policy.Answer(&a.ask)
	used = took.All
	a.watched.fuel += used
	g.faulted = fault != policy.FaultNone
	answer.Reply, answer.Fault = raw, fault
	answer.Fuel = min(answer.Fuel+used, channel.MaxFuel)
	answer.Hook = min(took.Hook, answer.Fuel)
	g.left.State, g.left.Leases = a.ask.Event.State, a.ask.Event.Leases
	if fault == policy.FaultNone {
		answer.State, answer.Leases = g.left.State, g.left.Leases
	} else if !fault.Passes() && fault != policy.FaultBreaker {
		a.fault(a.next.Guest, g.policy.Err())
	}
	return used
}

// watch sets the timer for the next question, unless it has been set just now.
func (a *asker) watch() {
	if a.watched.asked%mostWatched == 0 || a.watched.fuel > lookFuel {
		a.arm(a.patience)
		a.watched = watched{since: a.began}
	}
	a.watched.asked++
}

// share divides processor time among the questions of a run by their fuel.
func (a *asker) share(took time.Duration) {
	sum := uint64(0)
	for _, used := range a.fuel {
		sum += used
	}
	for i, used := range a.fuel {
		if used > 0 {
			part := time.Duration(float64(max(took, 0)) * float64(used) / float64(sum))
			a.answers[i].Time = min(a.answers[i].Time+part, channel.MaxTime)
		}
	}
}
