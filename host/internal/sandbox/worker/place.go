package worker

import (
	"errors"
	"time"
)

// placeLocked returns the worker that a guest belongs to.
func (p *Pool) placeLocked(g *Guest) *worker {
	switch {
	case g.trial && p.conductLocked(g.tenant).triedApart():
		if p.retrial == nil {
			p.retrial = newWorker(p, Trial, "")
		}
		return p.retrial
	case g.trial:
		return p.aloneLocked(Trial)
	case g.own:
		w := p.own[g.tenant]
		if w == nil {
			w = newWorker(p, Own, g.tenant)
			p.own[g.tenant] = w
		}
		return w
	case g.record.suspected() && g.record.ended:
		return p.cellLocked(g)
	case g.record.suspected():
		return p.aloneLocked(Suspects)
	case g.takesLong || g.loadCostLocked() > longLoad:
		g.takesLong = true
		if p.long == nil {
			p.long = newWorker(p, Shared, "")
		}
		return p.long
	case g.at != nil && g.at.kind == Shared:
		return g.at
	}
	least := p.shared[0]
	for _, w := range p.shared[1:] {
		if len(w.guests) < len(least.guests) {
			least = w
		}
	}
	return least
}

// longLoad is what a load takes at most of a guest that shares a worker with those
// whose loads are quick: they wait for it, where the worker has ended. Those that
// take longer have another worker, and wait for one another.
const longLoad = 5 * time.Millisecond

// aloneLocked returns the one worker of a kind.
func (p *Pool) aloneLocked(k Kind) *worker {
	if p.alone[k] == nil {
		p.alone[k] = newWorker(p, k, "")
	}
	return p.alone[k]
}

// putLocked has a guest without an instance belong where it should.
func (p *Pool) putLocked(g *Guest) {
	if to := p.placeLocked(g); to != g.at {
		p.assignLocked(g, to)
	}
}

// assignLocked has a guest without an instance belong to a worker.
func (p *Pool) assignLocked(g *Guest, to *worker) {
	from := g.at
	delete(from.guests, g)
	g.at = to
	to.guests[g] = struct{}{}
	p.retireLocked(from)
	p.leaveCellLocked(g, from)
	from.nudge() // it may be idle now
}

// retireLocked forgets a tenant's own worker that has neither guests nor a
// process.
func (p *Pool) retireLocked(w *worker) {
	if w.kind == Own && len(w.guests) == 0 && w.life == nil && p.own[w.tenant] == w {
		delete(p.own, w.tenant)
	}
}

// suspectLocked sends a guest to the suspects that takes too long.
func (p *Pool) suspectLocked(g *Guest) {
	if g.phase != present || g.own || g.trial {
		return
	}
	mean := g.window.mean()
	g.record.accuse()
	g.window = window{average: mean}
	p.rehouseLocked(g, "its questions take "+mean.String()+" each")
}

// leaver is a guest that is to go elsewhere.
type leaver struct {
	guest *Guest
	why   string
}

// rehouseLocked has a guest go where it belongs now: at once, or after the batch
// that is out.
func (p *Pool) rehouseLocked(g *Guest, why string) {
	if g.phase == absent && g.loading == nil {
		p.putLocked(g)
		return
	}
	g.at.leavers = append(g.at.leavers, leaver{g, why})
	g.at.nudge()
}

// partLocked sends guests away, no question of whom is out.
func (l *life) partLocked() {
	w := l.worker
	for _, x := range w.leavers {
		if x.guest.at == w {
			w.pool.moveLocked(x.guest, x.why)
		}
	}
	w.leavers = nil
}

// moveLocked has the instance of a guest end, and another be made where it
// belongs now. Questions wait meanwhile; none is out.
func (p *Pool) moveLocked(g *Guest, why string) {
	from := g.at
	if g.closed || g.phase != present || g.loading != nil || p.placeLocked(g) == from {
		return
	}
	g.phase = moving
	g.loading = make(chan struct{})
	g.waiting = append(from.queue.remove(g), g.waiting...)
	l, n := from.life, g.number
	p.behind.Go(func() { p.move(g, l, n, why) })
}

// move takes a guest out of the process where it is.
func (p *Pool) move(g *Guest, l *life, n uint32, why string) {
	s, err := l.state(n)
	err = errors.Join(err, l.unload(n))
	if err != nil {
		p.logger.Debug("instance not ended in order", "tenant", g.tenant, "policy", short(g.key.digest), "error", err)
	}
	p.mu.Lock()
	if len(s.Bytes) > 0 {
		g.learned = s
	}
	g.phase = absent
	close(g.loading)
	g.loading = nil
	if !g.closed {
		p.putLocked(g)
	}
	to, closed := g.at.kind, g.closed
	p.mu.Unlock()
	if closed {
		return
	}
	p.logger.Info("policy moved to another worker", "tenant", g.tenant, "policy", short(g.key.digest), "worker", to.String(), "why", why)
	p.cfg.Observer.Moved(g, to, why)
	g.reload()
}

// Isolate has the guests of a tenant in a worker of their own from now on, or
// among others.
func (p *Pool) Isolate(tenant string, own bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.guests {
		if g.tenant != tenant || g.own == own || g.trial {
			continue
		}
		g.own = own
		p.rehouseLocked(g, "the tenant's isolation has changed")
	}
}
