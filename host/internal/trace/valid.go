package trace

import (
	"fmt"

	"idlehost/host/internal/policy"
)

// check returns what of r the format has no room for.
func (r *Record) check() error {
	if r.Kind == 0 || r.Kind >= kindEnd {
		return fmt.Errorf("unknown kind %d", r.Kind)
	}
	if why := r.wrong(); why != "" {
		return fmt.Errorf("%s: %s", r.Kind, why)
	}
	return nil
}

func (r *Record) wrong() string {
	switch {
	case outside(r.Time):
		return "time is out of range"
	case r.Kind.ofConn() && r.Conn == 0:
		return "connection 0"
	}
	switch r.Kind {
	case KindBegin, KindHint, KindBurst:
		if outside(r.Since) {
			return "since is out of range"
		}
	case KindOpen, KindPhase, KindClose:
		return r.wrongState()
	case KindAsk:
		if r.Ask == nil {
			return "there is none"
		}
	case KindAnswer:
		return r.Answer.wrong()
	case KindLost:
		if r.Count > MaxCount {
			return "count is out of range"
		}
	case KindTenant, KindPolicy, KindRules:
		return r.wrongTenant()
	}
	return ""
}

func (r *Record) wrongState() string {
	switch {
	case int(r.Phase) >= len(policy.Timeouts{}):
		return "phase is out of range"
	case r.Protocol > 15 && r.Kind != KindClose:
		return "protocol is out of range"
	case r.Side > 1 && r.Kind == KindOpen:
		return "side is out of range"
	case outside(r.Age) && r.Kind == KindOpen:
		return "age is out of range"
	case r.Reason > policy.ReasonError && r.Kind == KindClose:
		return "reason is out of range"
	case outside(r.Since) && r.Kind == KindClose:
		return "since is out of range"
	}
	return ""
}

func (r *Record) wrongTenant() string {
	switch {
	case len(r.Name) > MaxName:
		return "name is too long"
	case len(r.Params) > MaxParams && r.Kind == KindPolicy:
		return "params are too long"
	case r.Role >= policy.Roles && r.Kind == KindPolicy:
		return "role is out of range"
	case r.Side > 1 && r.Kind == KindRules:
		return "side is out of range"
	case r.Rules == nil && r.Kind == KindRules:
		return "there are none"
	case r.Kind == KindRules:
		return r.Rules.wrong()
	}
	return ""
}

// wrong refuses what is below 0: a law of that kind is nobody's.
func (r *Rules) wrong() string {
	for i := range r.Timeouts {
		t := &r.Timeouts[i]
		if min(int64(t.Idle), t.MinRate, int64(t.Grace), int64(t.Max)) < 0 {
			return "the law of a phase is out of range"
		}
	}
	l := &r.Limits
	if min(int64(l.Floor), int64(l.Ceiling), int64(l.Connections), int64(l.ClientConnections), int64(l.Worth)) < 0 {
		return "a limit is out of range"
	}
	return ""
}

func (a *Answer) wrong() string {
	if a == nil {
		return "there is none"
	}
	v := &a.Verdict
	switch {
	case v.Action > verdictAction, v.Role >= policy.Roles, v.Source > policy.SourceFallback, v.Fault >= policy.Faults:
		return "verdict is out of range"
	case outside(int64(v.Deadline)):
		return "deadline is out of range"
	}
	return ""
}

func outside(t int64) bool { return t > MaxTime || t < -MaxTime }
