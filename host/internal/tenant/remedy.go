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
func (t *Tenant) fallback(p *plan, l *lane, ask *policy.Ask, fault policy.Fault, reply policy.Replier) policy.Verdict {
	if int(fault) >= faults {
		fault = policy.FaultOutput
	}
	l.record.fault(fault)
	v, remedy := t.remedy(p, l, ask, fault, reply)
	if v.Source == policy.SourcePending {
		return v
	}
	return t.remedied(l, ask, fault, v, remedy)
}

// remedied tells of the answer v to a question that the version in lane l has
// failed at.
func (t *Tenant) remedied(l *lane, ask *policy.Ask, fault policy.Fault, v policy.Verdict, by policy.Remedy) policy.Verdict {
	v.Source, v.Fault, v.Role = policy.SourceFallback, fault, l.role
	t.complain(l, ask, fault, says[by])
	return v
}

func (t *Tenant) complain(l *lane, ask *policy.Ask, fault policy.Fault, text string) {
	suppressed, ok := l.record.bursts[fault].open()
	if !ok {
		return
	}
	t.logger.Warn(text, "tenant", t.name, "policy", policy.ShortDigest(l.digest()), "role", l.role.String(), "cause", fault.String(),
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
func (t *Tenant) remedy(p *plan, l *lane, ask *policy.Ask, fault policy.Fault, reply policy.Replier) (policy.Verdict, policy.Remedy) {
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
		s := t.standIn(before, ask)
		if s != nil && s.loaded.remote != nil && reply != nil {
			to := &remoteStandIn{tenant: t, lane: l, guest: s, fault: fault, reply: reply}
			return t.askRemote(p, s, ask, reply, to), policy.RemedyPrevious
		}
		if s != nil {
			v, failed := s.guest.Decide(ask)
			s.release()
			if failed == policy.FaultNone {
				return v, policy.RemedyPrevious
			}
		}
	}
	return t.native.Decide(ask), policy.RemedyDefault
}

// standIn returns the guest of a version that is to be asked in the place of
// another; nil: there is none.
func (t *Tenant) standIn(l *lane, ask *policy.Ask) *roleGuest {
	if l == nil || l.resident == nil {
		return nil
	}
	s := l.take(oneAsk)
	if s == nil {
		t.tryStartLoad(l.resident)
		return nil
	}
	s.touch(ask.Event.NowMs)
	return s
}
