package worker

import (
	"bytes"
	"time"

	"idlehost/host/internal/sandbox/engine"
)

const (
	// keepEvery is how old at most the copy may be of what a guest has learned
	// that is asked: so much is lost with a worker.
	keepEvery = 10 * time.Second
	keepTick  = time.Second
	// statePatience is how long a copy is waited for.
	statePatience = time.Second
)

// keepLearned copies what guests have learned, and what else is due now and then.
func (p *Pool) keepLearned() {
	tick := time.NewTicker(keepTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.life.Done():
			return
		}
		p.mu.Lock()
		p.releaseSuspectsLocked()
		due := p.dueLocked(time.Now())
		idle := len(p.guests) == 0 && p.restsLocked()
		p.mu.Unlock()
		if idle {
			p.spare.drop()
		}
		for l, gs := range due {
			l.keep(gs)
		}
	}
}

// dueLocked lists guests whose copy would be too old at the next tick, by where
// they are.
func (p *Pool) dueLocked(now time.Time) map[*life][]*Guest {
	due := map[*life][]*Guest{}
	for _, g := range p.guests {
		if g.phase == present && !g.asked.IsZero() && now.Sub(g.asked) > keepEvery-2*keepTick && g.at.life != nil {
			due[g.at.life] = append(due[g.at.life], g)
		}
	}
	return due
}

// keep copies what guests have learned, as long as the process tells.
func (l *life) keep(gs []*Guest) {
	for _, g := range gs {
		if !g.fetch(l) {
			return
		}
	}
}

// fetch copies what the instance of a guest has learned.
func (g *Guest) fetch(l *life) bool {
	p := g.pool
	p.mu.Lock()
	g.asked = time.Time{}
	n := g.number
	p.mu.Unlock()
	s, err := l.state(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.number != n || g.phase != present {
		return true // another took over, with an older copy
	}
	if err != nil {
		g.asked = time.Now()
		return false
	}
	g.learned = s
	return true
}

// Learned returns what the guest has learned: as of now, or where its instance
// cannot be asked as of the last copy.
func (g *Guest) Learned() engine.State {
	p := g.pool
	p.mu.Lock()
	l, ask := g.at.life, g.phase == present
	p.mu.Unlock()
	if l != nil && ask {
		g.fetch(l)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return engine.State{Format: g.learned.Format, Bytes: bytes.Clone(g.learned.Bytes)}
}
