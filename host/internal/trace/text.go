package trace

import (
	"fmt"
	"strings"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// String tells a record on one line: time since the start, connection, kind,
// and what the kind has, but for what is zero. Names are quoted.
func (r *Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s", seconds(r.Time))
	if r.Conn != 0 {
		fmt.Fprintf(&b, " conn=%d", r.Conn)
	}
	fmt.Fprintf(&b, " %s", r.Kind)
	for _, p := range r.parts() {
		if p.value != "" {
			fmt.Fprintf(&b, " %s=%s", p.name, p.value)
		}
	}
	return b.String()
}

// part is a field as people are shown it; empty if it is not shown.
type part struct{ name, value string }

func (r *Record) parts() []part {
	switch r.Kind {
	case KindOpen:
		return []part{
			{"tenant", fmt.Sprint(r.Tenant)}, {"client", pseudonym(r.Client)}, {"side", r.Side.String()},
			{"protocol", r.Protocol.String()}, {"phase", r.Phase.String()}, {"handshake", number(uint64(r.Handshake))},
			{"age", span(r.Age)}, {"in", number(r.BytesIn)}, {"out", number(r.BytesOut)},
		}
	case KindBegin:
		return []part{{"route", number(uint64(r.Route))}, {"body", yes(r.Body)}, {"since", span(r.Since)}}
	case KindEnd, KindBurst, KindHint:
		return []part{{"since", span(r.Since)}, {"in", number(r.BytesIn)}, {"out", number(r.BytesOut)}}
	case KindPhase:
		return []part{{"phase", r.Phase.String()}, {"protocol", r.Protocol.String()}, {"handshake", number(uint64(r.Handshake))}}
	case KindAsk:
		return askParts(r.Ask)
	case KindAnswer:
		return r.Answer.parts()
	case KindClose:
		return []part{
			{"phase", r.Phase.String()}, {"reason", r.Reason.String()}, {"idle", span(r.Since)}, {"cut", yes(r.Cut)},
			{"in", number(r.BytesIn)}, {"out", number(r.BytesOut)},
		}
	case KindLost:
		return []part{{"records", fmt.Sprint(r.Count)}}
	}
	return r.tenantParts()
}

func (r *Record) tenantParts() []part {
	parts := []part{{"tenant", fmt.Sprint(r.Tenant)}}
	switch r.Kind {
	case KindTenant:
		return append(parts, part{"name", fmt.Sprintf("%q", r.Name)})
	case KindPolicy:
		return append(parts, part{"role", r.Role.String()}, part{"module", fmt.Sprintf("%q", r.Name)},
			part{"params", fmt.Sprintf("%q", r.Params)})
	case KindRules:
		if r.Rules == nil {
			return parts
		}
		if r.Side != abi.SideAccepted {
			parts = append(parts, part{"side", r.Side.String()})
		}
		for i := abi.PhaseHandshake; i <= abi.PhaseDraining; i++ {
			parts = append(parts, part{i.String(), span(int64(r.Rules.Timeouts[i].Idle))})
		}
		l := &r.Rules.Limits
		return append(parts, part{"floor", span(int64(l.Floor))}, part{"ceiling", span(int64(l.Ceiling))},
			part{"worth", span(int64(l.Worth))})
	}
	return parts
}

func askParts(e *policy.Event) []part {
	if e == nil {
		return nil
	}
	return []part{
		{"on", abi.Kind(e.Kind).String()}, {"phase", abi.Phase(e.Phase).String()}, {"client", pseudonym(e.Client)},
		{"idle", span(int64(e.IdleMs) * 1e6)}, {"asks", number(uint64(e.Asks))},
	}
}

func (a *Answer) parts() []part {
	if a == nil {
		return nil
	}
	v := &a.Verdict
	parts := []part{{"action", v.Action.String()}}
	if v.Action == abi.ActionExtend {
		parts = append(parts, part{"deadline", v.Deadline.String()})
	}
	parts = append(parts, part{"reason", number(uint64(v.Reason))}, part{"role", v.Role.String()}, part{"source", v.Source.String()})
	if v.Source == policy.SourceFallback {
		parts = append(parts, part{"fault", v.Fault.String()})
	}
	return append(parts, part{"dropped", yes(a.Dropped)})
}

// seconds is a time with all its nanoseconds, and as many digits as it needs.
func seconds(ns int64) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -ns
	}
	s := fmt.Sprintf("%s%d.%09d", sign, ns/1e9, ns%1e9)
	return strings.TrimSuffix(strings.TrimSuffix(s, "000"), "000")
}

func span(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Duration(ns).String()
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func pseudonym(client uint64) string {
	if client == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", client)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
