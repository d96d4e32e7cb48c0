package check

import (
	"fmt"
	"slices"
	"time"

	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Answer is one question and what the guest said to it, before the operator's
// floor and ceiling.
type Answer struct {
	Scene      string   `json:"scene"` // the circumstances
	Phase      string   `json:"phase"`
	Kind       string   `json:"kind"`
	IdleMs     uint32   `json:"idle_ms"`
	Action     string   `json:"action"` // "": nothing is answered to close, or it failed
	DeadlineMs uint32   `json:"deadline_ms"`
	Flags      []string `json:"flags"`
	Reason     uint16   `json:"reason"` // the policy's own code
	Fuel       uint64   `json:"fuel"`
	Fault      string   `json:"fault"` // "": it answered
	// Leases are those that the guest has changed, by phase.
	Leases map[string]uint32 `json:"leases_ms"`
}

// String names the question.
func (a *Answer) String() string {
	return fmt.Sprintf("%s in phase %s after %v (%s)", a.Kind, a.Phase, millis(a.IdleMs), a.Scene)
}

// askable is a loaded policy, which answers the questions in their order.
type askable interface {
	// Decide asks. The error says why there is no answer, where that has nothing to
	// do with the question.
	Decide(*policy.Ask) (policy.Verdict, policy.Fault, error)
	Err() error
	// Fuel returns the units that questions of a kind have used so far.
	Fuel(kind abi.Kind) uint64
	// Spent returns all units used so far, and instanceFuel for each new instance.
	Spent() uint64
}

// put asks one question. ask keeps what the guest left in it.
func askOne(p askable, scene string, ask *policy.Ask) (Answer, error) {
	e := &ask.Event
	kind, leases := abi.Kind(e.Kind), e.Leases
	a := Answer{
		Scene: scene, Phase: abi.Phase(e.Phase).String(), Kind: kind.String(), IdleMs: e.IdleMs,
		Flags: []string{}, Leases: map[string]uint32{},
	}
	before := p.Fuel(kind)
	v, fault, err := p.Decide(ask)
	a.Fuel = p.Fuel(kind) - before
	switch {
	case fault != policy.FaultNone:
		a.Fault = fault.String()
	case kind != abi.KindClose:
		a.take(v, leases[:], e.Leases[:])
	}
	return a, err
}

// take stores a verdict.
func (a *Answer) take(v policy.Verdict, before, after []uint32) {
	a.Action, a.Reason = v.Action.String(), v.Reason
	if v.Action == abi.ActionExtend {
		a.DeadlineMs = policy.Millis(v.Deadline)
	}
	if v.Log {
		a.Flags = append(a.Flags, "log")
	}
	if !v.Leases {
		return
	}
	a.Flags = append(a.Flags, "leases")
	for i := range after {
		if name := abi.Phase(i).String(); after[i] != before[i] && name != abi.Phase(abi.Phases).String() {
			a.Leases[name] = after[i]
		}
	}
}

// same reports whether b says the same to the same question, the phase aside.
func (a *Answer) same(b *Answer) bool {
	return a.Scene == b.Scene && a.Kind == b.Kind && a.IdleMs == b.IdleMs && a.Action == b.Action &&
		a.DeadlineMs == b.DeadlineMs && slices.Equal(a.Flags, b.Flags) && a.Reason == b.Reason &&
		a.Fault == b.Fault && leaseText(a.Leases) == leaseText(b.Leases)
}

func millis(ms uint32) config.Duration { return config.Duration(time.Duration(ms) * time.Millisecond) }
