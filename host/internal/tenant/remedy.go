package tenant

import (
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// SetRemedies says what answers for a guest that cannot, by cause. A previous
// policy that no remedy wants any more is closed.
func (t *Tenant) SetRemedies(r policy.Remedies) {
	t.remedies.Store(&r)
	if r.Uses(policy.RemedyPrevious) {
		return
	}
	t.mu.Lock()
	old := t.plan.Load()
	next := *old
	next.previous = nil
	c := &change{t: t, old: old, next: &next}
	t.plan.Store(c.next)
	c.leaveLocked()
	t.mu.Unlock()
	c.clear()
}

// fallback answers where the version in lane l could not.
func (t *Tenant) fallback(p *plan, l *lane, ask *policy.Ask, fault policy.Fault) policy.Verdict {
	if int(fault) >= faults {
		fault = policy.FaultOutput
	}
	l.record.fault(fault)
	v, remedy := t.remedy(p, l, ask, fault)
	v.Source, v.Fault, v.Role = policy.SourceFallback, fault, l.role
	t.complain(l, ask, fault, says[remedy])
	return v
}

func (t *Tenant) complain(l *lane, ask *policy.Ask, fault policy.Fault, text string) {
	suppressed, ok := l.record.bursts[fault].open()
	if !ok {
		return
	}
	t.logger.Warn(text, "tenant", t.name, "policy", Short(l.digest()), "role", l.role.String(), "cause", fault.String(),
		"event", abi.Kind(ask.Event.Kind).String(), "phase", abi.Phase(ask.Event.Phase).String(),
		"suppressed", suppressed)
}

var says = [...]string{
	policy.RemedyDefault:  "policy failed, native default answers",
	policy.RemedyKeep:     "policy failed, the last deadline is kept",
	policy.RemedyPrevious: "policy failed, the previous policy answers",
}

// remedy answers, and says by what. What was before a canary is the active
// version.
func (t *Tenant) remedy(p *plan, l *lane, ask *policy.Ask, fault policy.Fault) (policy.Verdict, policy.Remedy) {
	switch t.remedies.Load()[fault] {
	case policy.RemedyKeep:
		if ask.Event.Kind == uint8(abi.KindTimeout) && ask.Event.DeadlineMs > 0 {
			// The idle layer clamps it like any other.
			d := time.Duration(ask.Event.DeadlineMs) * time.Millisecond
			return policy.Verdict{Action: abi.ActionExtend, Deadline: d}, policy.RemedyKeep
		}
	case policy.RemedyPrevious:
		before := p.previous
		if l == p.canary {
			before = p.active
		}
		if v, ok := t.stand(before, ask); ok {
			return v, policy.RemedyPrevious
		}
	}
	return t.native.Decide(ask), policy.RemedyDefault
}

// stand asks a version in the place of another.
func (t *Tenant) stand(l *lane, ask *policy.Ask) (policy.Verdict, bool) {
	if l == nil || l.resident == nil {
		return policy.Verdict{}, false
	}
	s := l.take(oneAsk)
	if s == nil {
		t.tryStartLoad(l.resident)
		return policy.Verdict{}, false
	}
	defer s.release()
	s.touch(ask.Event.NowMs)
	v, fault := s.guest.Decide(ask)
	return v, fault == policy.FaultNone
}
