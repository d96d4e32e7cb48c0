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
	if !r.Uses(policy.RemedyPrevious) {
		t.remember(nil)
	}
}

// remember makes s the previous policy.
func (t *Tenant) remember(s *seat) {
	if old := t.previous.Swap(s); old != nil {
		old.release()
	}
}

// fallback answers where the policy of that digest could not.
func (t *Tenant) fallback(ask *policy.Ask, fault policy.Fault, digest string) policy.Verdict {
	if int(fault) >= faults {
		fault = policy.FaultOutput
	}
	t.faults[fault].Add(1)
	v, remedy := t.remedy(ask, fault)
	v.Source, v.Fault = policy.SourceFallback, fault
	if suppressed, ok := t.bursts[fault].open(); ok {
		t.logger.Warn("policy failed, "+says[remedy], "tenant", t.name, "policy", Short(digest), "cause", fault.String(),
			"event", abi.Kind(ask.Event.Kind).String(), "phase", abi.Phase(ask.Event.Phase).String(),
			"suppressed", suppressed)
	}
	return v
}

var says = [...]string{
	policy.RemedyDefault:  "native default answers",
	policy.RemedyKeep:     "the last deadline is kept",
	policy.RemedyPrevious: "the previous policy answers",
}

// remedy answers, and says by what.
func (t *Tenant) remedy(ask *policy.Ask, fault policy.Fault) (policy.Verdict, policy.Remedy) {
	switch t.remedies.Load()[fault] {
	case policy.RemedyKeep:
		if ask.Event.Kind == uint8(abi.KindTimeout) && ask.Event.DeadlineMs > 0 {
			// The idle layer clamps it like any other.
			d := time.Duration(ask.Event.DeadlineMs) * time.Millisecond
			return policy.Verdict{Action: abi.ActionExtend, Deadline: d}, policy.RemedyKeep
		}
	case policy.RemedyPrevious:
		if s := retained(&t.previous); s != nil {
			defer s.release()
			if v, fault := s.decide(ask); fault == policy.FaultNone {
				return v, policy.RemedyPrevious
			}
		}
	}
	return t.native.Decide(ask), policy.RemedyDefault
}
