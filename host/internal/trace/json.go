package trace

import (
	"encoding/json"
	"fmt"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// MarshalJSON writes what the record's kind has, whatever its value: times in
// nanoseconds, pseudonyms in hexadecimal, an event's fields by the names of the
// ABI's text.
func (r *Record) MarshalJSON() ([]byte, error) {
	o := map[string]any{"kind": r.Kind.String(), "time_ns": r.Time}
	if r.Conn != 0 {
		o["conn"] = r.Conn
	}
	switch r.Kind {
	case KindOpen:
		openJSON(o, r)
	case KindBegin:
		o["route"], o["body"], o["since_ns"] = r.Route, r.Body, r.Since
	case KindEnd:
		o["bytes_in"], o["bytes_out"] = r.BytesIn, r.BytesOut
	case KindPhase:
		o["phase"], o["protocol"], o["handshake"] = r.Phase.String(), r.Protocol.String(), r.Handshake
	case KindBurst:
		o["since_ns"], o["bytes_in"], o["bytes_out"] = r.Since, r.BytesIn, r.BytesOut
	case KindHint:
		o["since_ns"] = r.Since
	case KindAsk:
		if r.Ask != nil {
			o["event"] = eventJSON(r.Ask)
		}
	case KindAnswer:
		if a := r.Answer; a != nil {
			o["verdict"], o["state"], o["leases"], o["dropped"] = verdictJSON(&a.Verdict), a.State, a.Leases, a.Dropped
		}
	case KindClose:
		o["phase"], o["reason"], o["cut"], o["since_ns"] = r.Phase.String(), r.Reason.String(), r.Cut, r.Since
		o["bytes_in"], o["bytes_out"] = r.BytesIn, r.BytesOut
	case KindLost:
		o["records"] = r.Count
	case KindTenant:
		o["tenant"], o["name"] = r.Tenant, r.Name
	case KindPolicy:
		o["tenant"], o["role"], o["module"], o["params"] = r.Tenant, r.Role.String(), r.Name, r.Params
	case KindRules:
		o["tenant"], o["side"] = r.Tenant, r.Side.String()
		if r.Rules != nil {
			o["phases"], o["limits"] = phasesJSON(&r.Rules.Timeouts), limitsJSON(&r.Rules.Limits)
		}
	}
	return json.Marshal(o)
}

func openJSON(o map[string]any, r *Record) {
	o["tenant"], o["client"], o["side"], o["protocol"] = r.Tenant, hex(r.Client), r.Side.String(), r.Protocol.String()
	o["phase"], o["handshake"], o["age_ns"] = r.Phase.String(), r.Handshake, r.Age
	o["bytes_in"], o["bytes_out"] = r.BytesIn, r.BytesOut
}

// hex is for numbers that programs which know only floats would round.
func hex(n uint64) string { return fmt.Sprintf("%016x", n) }

// eventJSON has the names of the ABI's text, but for the two whose values need
// all their bits.
func eventJSON(e *policy.Event) any {
	return struct {
		policy.Event
		Client, Random string
	}{*e, hex(e.Client), hex(e.Random)}
}

func verdictJSON(v *policy.Verdict) any {
	o := map[string]any{
		"action": v.Action.String(), "deadline_ns": int64(v.Deadline), "reason": v.Reason, "log": v.Log,
		"leases": v.Leases, "source": v.Source.String(), "role": v.Role.String(),
	}
	if v.Fault != policy.FaultNone {
		o["fault"] = v.Fault.String()
	}
	return o
}

// phasesJSON has the phases that have a name.
func phasesJSON(all *policy.Timeouts) any {
	o := map[string]any{}
	for i := abi.PhaseHandshake; i <= abi.PhaseDraining; i++ {
		t := &all[i]
		o[i.String()] = map[string]any{
			"idle_ns": int64(t.Idle), "min_rate": t.MinRate, "grace_ns": int64(t.Grace), "max_ns": int64(t.Max),
		}
	}
	return o
}

func limitsJSON(l *policy.Limits) any {
	return map[string]any{
		"floor_ns": int64(l.Floor), "ceiling_ns": int64(l.Ceiling), "connections": l.Connections,
		"client_connections": l.ClientConnections, "worth_ns": int64(l.Worth),
	}
}
