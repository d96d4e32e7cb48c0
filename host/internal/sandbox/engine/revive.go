package engine

import "idlehost/host/internal/policy"

// NeedsInstance reports whether a question at now, in Unix milliseconds of event
// time, would have an instance made first. It is for who has that done elsewhere
// than where questions are asked: Revive.
func (p *Policy) NeedsInstance(now uint64) bool {
	if !p.mu.lockWithin(p.engine.cfg.wait()) {
		return false // a question is not asked either
	}
	defer p.mu.Unlock()
	return !p.closed && p.inst == nil && !p.breaker.open(now)
}

// Revive makes the instance that a question at now would have made. The fault is
// the one that the question would have been answered with; fuel is what it took.
func (p *Policy) Revive(now uint64) (fault policy.Fault, fuel uint64) {
	fault, fuel = p.revive(now)
	p.flush()
	return fault, fuel
}

func (p *Policy) revive(now uint64) (policy.Fault, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return policy.FaultNotLoaded, 0
	case p.inst != nil:
		return policy.FaultNone, 0
	}
	before := p.stats.FuelSpent
	fault := p.reviveLocked(now)
	if fault != policy.FaultNone {
		p.stats.Faults[fault]++
	}
	return fault, p.stats.FuelSpent - before
}
