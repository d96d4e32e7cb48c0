package engine

import "idlehost/host/internal/policy"

// NeedsInstance reports whether a question at now, in Unix milliseconds of event
// time, would make an instance first. A worker that makes instances apart from
// questions calls Revive then.
func (p *Policy) NeedsInstance(now uint64) bool {
	if !p.mu.lockWithin(p.engine.cfg.wait()) {
		return false // a question is not asked either
	}
	defer p.mu.Unlock()
	return !p.closed && p.inst == nil && !p.breaker.open(now)
}

// Revive makes the instance that a question at now would have made. It returns the
// fault that the question would have met, and the fuel that was used.
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
