package worker

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/child"
)

// settle is called once, when the process has ended: it finds out who is to
// blame, and has what is left asked in the next one.
func (l *life) settle() {
	l.killing.Do(func() { l.why = l.process.Ending() })
	w, p := l.worker, l.worker.pool
	p.mu.Lock()
	running := l.running()
	spoilers := l.spoilersLocked(running)
	for _, g := range spoilers {
		if l.proofLocked(g) {
			g.err = l.accusation(g)
			l.blame[g] = g.err
		}
	}
	l.oweLocked(spoilers)
	l.leaveLocked(running)
	moved := map[*Guest]Kind{}
	for _, g := range spoilers {
		if to, ok := p.setApartLocked(g); ok {
			moved[g] = to
		}
	}
	w.life = nil
	if time.Since(l.begun) >= shortLife {
		w.deaths = 0
	}
	switch {
	case l.why == EndMemory: // the next one takes as much
		w.deaths = max(w.deaths, 1)
		w.restLocked(startRest)
	case l.rests(spoilers):
		w.restLocked(lastRest)
	default:
		w.deaths = 0
	}
	p.resumeLocked()
	p.retireLocked(w)
	idle := l.why == EndStopped && p.restsLocked()
	close(l.over)
	p.mu.Unlock()
	if idle {
		p.spare.drop()
	}
	l.chargeEnd(spoilers)
	l.report(spoilers)
	if err := l.process.Close(); err != nil {
		p.logger.Debug("worker not closed", "worker", w.kind.String(), "error", err)
	}
	for g, to := range moved {
		p.cfg.Observer.Moved(g, to, "it seems to have ended its worker: "+l.why.String())
	}
	l.tell()
}

// rests reports whether the next process is not to be started at once. It is where
// the kernel has ended this one for a guest that is out of the way now; whoever was
// at work when it failed may have been so by chance, and others fail next.
func (l *life) rests(spoilers []*Guest) bool {
	timed := len(spoilers) > 0 && (l.why == EndQuestion || l.why == EndLoad)
	return l.why != EndStopped && !timed && time.Since(l.begun) < shortLife
}

// running returns the index of the question that was being asked, or whose answer
// makes no sense; -1: none.
func (l *life) running() int {
	if l.nonsense >= 0 {
		return l.nonsense
	}
	if l.sent {
		if i, ok := l.process.Running(); ok && i < len(l.batch) {
			return i
		}
	}
	return -1
}

// spoilersLocked returns whose doing the end was, as far as it was a guest's.
func (l *life) spoilersLocked(running int) (gs []*Guest) {
	if running >= 0 && (l.why == EndQuestion || l.why == EndCrash || l.why == EndProtocol) {
		gs = append(gs, l.batch[running].guest)
	}
	if n, ok := l.process.Starting(); ok && (l.why == EndLoad || l.why == EndCrash) {
		if g := l.worker.pool.guests[n]; g != nil && g.at == l.worker && !slices.Contains(gs, g) {
			gs = append(gs, g)
		}
	}
	return gs
}

// fault is the cause that an ending stands for, for who has brought it about.
func (e Ending) fault() policy.Fault {
	if e == EndQuestion || e == EndLoad {
		return policy.FaultTime
	}
	return policy.FaultTrap
}

// accusation is the last fault of a guest that ended the worker.
func (l *life) accusation(g *Guest) error {
	says := map[Ending]string{
		EndQuestion: "took more of the processor than a question may",
		EndLoad:     "took more of the processor than a start may",
		EndCrash:    "the worker failed",
		EndProtocol: "the worker answered nonsense",
	}
	return &engine.FaultError{Policy: g.name, Step: "worker", Fault: l.why.fault(), Err: errors.New(says[l.why])}
}

// leaveLocked takes the questions from the process that has ended: those of the
// batch, which are asked again unless they were at fault, or have seen too many
// ends, and those of the queue.
func (l *life) leaveLocked(running int) {
	var again []*question
	for i, q := range l.batch {
		q.lives++
		switch {
		case i == running && l.blame[q.guest] != nil:
			l.give(q, l.why.fault())
		case q.guest.closed: // no instance will be made for it
			l.give(q, policy.FaultNotLoaded)
		case l.sent && q.lives >= questionLives:
			l.give(q, policy.FaultNotLoaded)
		default:
			again = append(again, q)
		}
	}
	l.batch = nil
	again = append(again, l.worker.queue.drain()...)
	if l.worker.kind == Trial { // of a check that has to begin anew
		for _, q := range again {
			l.give(q, policy.FaultNotLoaded)
		}
		again = nil
	}
	for g := range l.worker.guests {
		if g.phase == present {
			g.phase = absent
		}
	}
	l.worker.pool.requeueLocked(again)
}

// questionLives is how many workers may end with a question.
const questionLives = 3

// give has a question answered with a fault.
func (l *life) give(q *question, fault policy.Fault) {
	q.guest.doneLocked(fault)
	l.told = append(l.told, told{q: q, fault: fault})
}

// requeueLocked puts questions back, in their order, before all others of their
// guests.
func (p *Pool) requeueLocked(qs []*question) {
	if len(qs) == 0 {
		return
	}
	queued, waiting := map[*worker][]*question{}, map[*Guest][]*question{}
	for _, q := range qs {
		if g := q.guest; g.phase == present {
			queued[g.at] = append(queued[g.at], q)
		} else {
			waiting[g] = append(waiting[g], q)
		}
	}
	for w, list := range queued {
		w.queue.putBack(list)
		w.nudge()
	}
	for g, list := range waiting {
		g.waiting = append(list, g.waiting...)
	}
}

// proofLocked notes that a guest seems to have ended the worker, and reports
// whether that is proven now.
func (l *life) proofLocked(g *Guest) (proven bool) {
	timed := l.why == EndQuestion || l.why == EndLoad
	user, system := l.process.Usage()
	noise := timed && system > user
	if g.trial {
		g.stats.CPU += startTime + child.Patience // as in chargeEnd: the check pays
		l.worker.pool.heldLocked(g.tenant).trial = time.Now()
		g.spoiled = g.record.spoilTrial()
		return g.spoiled
	}
	w := l.worker
	alone := w.kind == Own || w.kind == Suspects && (timed || len(w.guests) == 1)
	proven = g.record.spoil(alone, noise)
	if !noise {
		w.pool.holdAgainstLocked(g.tenant)
	}
	if g.record.spoiled >= poisoned {
		g.learned = engine.State{}
	}
	return proven
}

// oweLocked has the first of those who seem to have ended the worker pay for the
// instances of the others, when they are made again.
func (l *life) oweLocked(spoilers []*Guest) {
	if len(spoilers) == 0 {
		return
	}
	for g := range l.worker.guests {
		if g.phase == present && g.tenant != spoilers[0].tenant {
			g.owedBy = spoilers[0].quota
		}
	}
}

// chargeEnd has those who seem to have ended the worker pay for the next one, and
// for the question, which nobody is left to tell the time of.
func (l *life) chargeEnd(spoilers []*Guest) {
	for _, g := range spoilers {
		g.quota.Charge(startTime / time.Duration(len(spoilers)))
		if l.why == EndQuestion {
			g.quota.Asked(0, child.Patience)
			l.worker.pool.cfg.Observer.Asked(g.tenant, child.Patience)
		}
	}
}

// startTime is what starting a worker takes of the processors.
const startTime = 50 * time.Millisecond

// setApartLocked has a guest that seems to have ended a worker go to the suspects.
func (p *Pool) setApartLocked(g *Guest) (to Kind, moved bool) {
	if g.trial || g.at.kind == Own || g.at.kind == Suspects && g.record.suspected() && len(g.at.guests) == 1 {
		return 0, false
	}
	was := g.at.kind
	if was != Suspects {
		g.record.accuse()
	}
	if g.loading == nil {
		p.putLocked(g)
		return g.at.kind, g.at.kind != was
	}
	return Suspects, false // whoever loads it puts it there the next time
}

// resumeLocked has instances made for the guests that are waited for, with those
// of a guest that must not be asked refused.
func (p *Pool) resumeLocked() {
	for _, g := range p.guests {
		if len(g.waiting) == 0 || g.phase != absent || g.loading != nil {
			continue
		}
		if fault := g.refusesLocked(); fault != policy.FaultNone {
			p.refuseLocked(g.takeWaitingLocked(), fault)
			continue
		}
		p.behind.Go(g.reload)
	}
}

// report says what became of the worker.
func (l *life) report(spoilers []*Guest) {
	w, p := l.worker, l.worker.pool
	if l.why == EndStopped {
		return
	}
	for _, g := range spoilers {
		says, proven := "policy ended its worker", l.blame[g] != nil
		if !proven {
			says = "policy may have ended its worker"
		}
		p.logger.Warn(says, "tenant", g.tenant, "policy", short(g.key.digest),
			"worker", w.kind.String(), "cause", l.why.String(), "then", g.sentence())
		p.cfg.Observer.Ended(w.kind, l.why, g, proven)
	}
	if len(spoilers) == 0 {
		says := "worker ended, another takes over"
		if l.why == EndMemory {
			says = "worker ended for want of memory, another takes over in a while"
		}
		p.logger.Warn(says, "worker", w.kind.String(), "cause", l.why.String())
		p.cfg.Observer.Ended(w.kind, l.why, nil, false)
	}
}

// sentence says what becomes of a guest that ended its worker.
func (g *Guest) sentence() string {
	p := g.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case g.trial && g.record.trials < 2:
		return "it is tried again"
	case g.trial:
		return "it is not accepted"
	case g.record.breakerOpen():
		return fmt.Sprintf("it is not asked for %v", time.Until(g.record.open).Round(time.Second))
	}
	return "it is asked among the suspects"
}
