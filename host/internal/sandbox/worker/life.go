package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/sdk/abi"
)

// life is one process of a worker. Its goroutine, serve, puts the questions and
// takes the answers, and settles what is left when the process has ended.
type life struct {
	worker  *worker
	process Process
	begun   time.Time
	over    chan struct{} // closed when its end is settled

	deaf time.Time // it is not asked for what guests have learned before. Pool.mu guards it

	killing sync.Once
	why     Ending // of the host's own will; written before the process is killed

	// blame says whose doing the end was. Written before over is closed, with
	// Pool.mu held.
	blame map[*Guest]error

	// The following are serve's.
	batch     []*question // asked for, and not answered yet
	sent      bool        // the batch has gone to the process
	nonsense  int         // question of the batch whose answer makes no sense; -1: none
	pause     bool        // all of the last batch was put back
	questions []channel.Question
	pointers  []*channel.Question
	before    []histogramKey // of the batch's guests, each at its question
	answers   []channel.Answer
	told      []told
	charges   []charge
}

// errDeaf is why nothing is learned of a guest whose process has just not answered.
var errDeaf = errors.New("the worker does not answer")

// told is an answer on its way to who asked.
type told struct {
	q     *question
	v     policy.Verdict
	fault policy.Fault
}

const (
	// batchSize is the most questions of a batch.
	batchSize = 256
	// patience is how long the answers to a batch are waited for. They take some
	// milliseconds of processor time at most.
	patience = 2 * time.Second
	// pauseTime is how long a worker is left alone that has put everything back.
	pauseTime = time.Millisecond
	// linger is how long a worker without guests is kept.
	linger = time.Minute
)

func (l *life) serve() {
	w, p := l.worker, l.worker.pool
	for {
		p.mu.Lock()
		if w.closed {
			p.mu.Unlock()
			l.kill(EndStopped)
			break
		}
		l.partLocked()
		l.takeLocked()
		more, idle := w.queue.n > 0, len(w.guests) == 0 && w.loads == 0
		p.mu.Unlock()
		l.tell() // what was refused
		if len(l.batch) == 0 {
			if !more && !l.wait(idle) {
				break
			}
			continue
		}
		if !l.restful() || !l.exchange() {
			break
		}
		l.tell()
	}
	<-l.process.Ended()
	l.settle()
}

// takeLocked takes the next batch. A tenant that has used up its quota is not
// asked.
func (l *life) takeLocked() {
	taken := l.worker.queue.take(l.batch[:0], batchSize)
	l.batch = taken[:0]
	for _, q := range taken {
		if !q.guest.quota.MayAsk(q.ask.Event.NowMs) {
			q.guest.doneLocked(policy.FaultRate)
			l.told = append(l.told, told{q: q, fault: policy.FaultRate})
			continue
		}
		l.batch = append(l.batch, q)
	}
	if len(l.batch) > 0 {
		l.fillLocked()
	}
}

// fillLocked writes the batch for the channel. What does not fit is put back.
func (l *life) fillLocked() {
	for len(l.questions) < len(l.batch) {
		l.questions = append(l.questions, channel.Question{})
		l.answers = append(l.answers, channel.Answer{})
	}
	l.pointers = l.pointers[:0]
	l.before = l.before[:0]
	for i, q := range l.batch {
		l.before = append(l.before, q.guest.sent)
		q.fill(&l.questions[i], &q.guest.sent)
		l.pointers = append(l.pointers, &l.questions[i])
	}
	n := l.process.Fit(l.pointers)
	for i := len(l.batch) - 1; i >= n; i-- {
		l.batch[i].guest.sent = l.before[i]
	}
	l.worker.queue.putOff(l.batch[n:])
	l.batch, l.pointers = l.batch[:n], l.pointers[:n]
}

// wait waits until there may be something to do. It reports false where the
// process has ended.
func (l *life) wait(idle bool) bool {
	var enough <-chan time.Time
	if idle {
		t := time.NewTimer(linger)
		defer t.Stop()
		enough = t.C
	}
	select {
	case <-l.worker.wake:
		return true
	case <-l.process.Ended():
		return false
	case <-enough:
		l.kill(EndStopped)
		return false
	}
}

// restful waits until the worker of suspects may use the processors again, and a
// worker that has put everything back may be done with what keeps it.
func (l *life) restful() bool {
	w := l.worker
	var d time.Duration
	if w.tenth != nil {
		d = w.tenth.overdrawn(time.Now())
	}
	if l.pause {
		d = max(d, pauseTime)
	}
	if d == 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-l.process.Ended():
		return false
	case <-w.pool.life.Done():
		l.kill(EndStopped)
		return false
	}
}

// exchange has the batch answered. It reports false where the process has ended.
func (l *life) exchange() bool {
	n := len(l.batch)
	l.sent = true
	err := l.process.Exchange(l.pointers, l.answers[:n], time.Now().Add(patience))
	switch {
	case err == nil:
		err = l.take()
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.kill(EndSilent)
		return false
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, channel.ErrProtocol):
		l.kill(EndProtocol)
	default:
		l.process.Kill() // if it lives, it has closed its end
	}
	return false
}

// take takes the answers, all of which must make sense.
func (l *life) take() error {
	for i := range l.batch {
		a := &l.answers[i]
		if a.Fault != policy.FaultNone || l.questions[i].Event.Kind == uint8(abi.KindClose) {
			continue
		}
		if _, err := engine.CheckReply(a.Reply); err != nil {
			l.nonsense = i
			return fmt.Errorf("%w: %w", channel.ErrProtocol, err)
		}
	}
	p, w := l.worker.pool, l.worker
	now := time.Now()
	var back []*question
	var failed []*Guest // at a question of their check
	p.mu.Lock()
	for i, q := range l.batch {
		a := &l.answers[i]
		l.chargeFor(q.guest, a)
		if a.Fault == policy.FaultBusy { // the worker has had enough of this guest for now
			if l.questions[i].Kind == channel.GapsNew {
				q.guest.sent = histogramKey{}
			}
			back = append(back, q)
			continue
		}
		if a.Fault != policy.FaultNone {
			q.guest.hearLocked()
		}
		if slow := q.guest.answeredLocked(a, now); slow && w.kind == Shared {
			p.suspectLocked(q.guest)
		}
		l.told = append(l.told, q.answered(a))
		if a.Fault != policy.FaultNone && q.guest.trial {
			failed = append(failed, q.guest)
		}
	}
	for _, c := range l.charges {
		w.queue.use(c.guest.tenant, c.cpu, now)
	}
	p.requeueLocked(back)
	for _, g := range failed {
		g.stopLocked()
	}
	p.mu.Unlock()
	p.cfg.Observer.Batch(w.kind, len(l.batch)-len(back))
	l.pause = len(back) == len(l.batch)
	l.batch, l.sent = l.batch[:0], false
	l.pay(now)
	return nil
}

// charge is what consecutive questions of a guest have taken.
type charge struct {
	guest *Guest
	fuel  uint64
	cpu   time.Duration
}

func (l *life) chargeFor(g *Guest, a *channel.Answer) {
	if n := len(l.charges); n == 0 || l.charges[n-1].guest != g {
		l.charges = append(l.charges, charge{guest: g})
	}
	c := &l.charges[len(l.charges)-1]
	c.fuel += a.Fuel
	c.cpu += a.Time
}

// pay has everybody pay for the batch.
func (l *life) pay(now time.Time) {
	w := l.worker
	for i, c := range l.charges {
		c.guest.quota.Asked(c.fuel, c.cpu)
		w.pool.cfg.Observer.Asked(c.guest.tenant, c.cpu)
		if w.tenth != nil {
			w.tenth.use(now, c.cpu)
		}
		l.charges[i] = charge{}
	}
	l.charges = l.charges[:0]
}

// answeredLocked notes an answer, and reports whether the guest has become slow.
func (g *Guest) answeredLocked(a *channel.Answer, now time.Time) (slow bool) {
	g.doneLocked(a.Fault)
	g.window.add(a.Time)
	g.stats.Questions++
	g.stats.Fuel += a.Fuel
	g.stats.CPU += a.Time
	if g.asked.IsZero() {
		g.asked = now
	}
	return g.window.slow()
}

// answered writes what the guest has left in the event.
func (q *question) answered(a *channel.Answer) told {
	t := told{q: q, fault: a.Fault}
	if q.answer != nil {
		q.answer.Fuel, q.answer.Hook = a.Fuel, a.Hook
	}
	if a.Fault != policy.FaultNone || q.ask.Event.Kind == uint8(abi.KindClose) {
		return t
	}
	t.v, _ = engine.CheckReply(a.Reply) // take has
	q.ask.Event.State = a.State
	if t.v.Leases {
		q.ask.Event.Leases = a.Leases
	}
	return t
}

// tell tells who asked.
func (l *life) tell() {
	for i, t := range l.told {
		l.worker.pool.tell(t.q, t.v, t.fault)
		l.told[i] = told{}
	}
	l.told = l.told[:0]
}

// unload ends an instance, where the process lives.
func (l *life) unload(n uint32) error {
	select {
	case <-l.process.Ended():
		return nil
	default:
	}
	err := l.process.Unload(n)
	select {
	case <-l.process.Ended():
		return nil
	default:
		return err
	}
}

// state fetches what a guest has learned. Of a process that does not answer not
// everybody waits in turn: a host that ends has thousands of guests to ask.
func (l *life) state(n uint32) (engine.State, error) {
	p := l.worker.pool
	p.mu.Lock()
	deaf := time.Now().Before(l.deaf)
	p.mu.Unlock()
	if deaf {
		return engine.State{}, errDeaf
	}
	ctx, cancel := context.WithTimeout(p.life, statePatience)
	defer cancel()
	s, err := l.process.State(ctx, n)
	if errors.Is(err, context.DeadlineExceeded) {
		p.mu.Lock()
		l.deaf = time.Now().Add(keepEvery)
		p.mu.Unlock()
	}
	return s, err
}

// kill ends the process, for a reason of the host's.
func (l *life) kill(why Ending) {
	l.killing.Do(func() {
		l.why = why
		l.process.Kill()
	})
}
