package check

import (
	"errors"
	"fmt"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/gate"
)

// ParamsHint is what to do about parameters that a policy refuses.
const ParamsHint = "host check --manual shows the parameters of a bundled policy"

// Failure is why a policy is not accepted.
type Failure struct {
	Text  string `json:"text"`  // one line
	Cause string `json:"cause"` // as in metrics and logs
	Step  string `json:"step"`  // the step that failed: "gate", "configure", "on_timeout", ...
	// Refusal is the gate's; null elsewhere.
	Refusal *Refusal `json:"refusal"`
	// Event is the first question that was not answered; null if none was asked.
	Event *Answer `json:"event"`
	// Failed is how many questions were not answered, Asked how many were asked.
	Failed int `json:"failed"`
	Asked  int `json:"asked"`
	// Unasked is how many were not asked, because the fuel of the check was used up, or
	// the policy has ended its worker.
	Unasked int `json:"unasked"`

	fault policy.Fault
}

// Refusal is where in the module, and by which rule, the gate refused it.
type Refusal struct {
	Rule     string `json:"rule"`
	Offset   int64  `json:"offset"` // from the start of the module
	Section  string `json:"section"`
	Function int    `json:"function"` // imports counted first; -1: in none
	Limit    uint64 `json:"limit"`    // 0 where the rule is not a cap
	Got      uint64 `json:"got"`
}

// String says where, and by which rule.
func (f *Refusal) String() string {
	s := fmt.Sprintf("rule %q, at offset %#x", f.Rule, f.Offset)
	if f.Function >= 0 {
		s += fmt.Sprintf(", in function %d", f.Function)
	}
	if f.Limit > 0 {
		s += fmt.Sprintf("; the limit is %d, it wants %d", f.Limit, f.Got)
	}
	return s
}

// Err returns why the policy is not accepted, a *Failure; nil if it is.
func (r *Report) Err() error {
	if r.Failure == nil {
		return nil
	}
	return r.Failure
}

// Error returns one line, which names the first question that was not answered.
func (f *Failure) Error() string {
	if f.Event == nil {
		return f.Text
	}
	s := fmt.Sprintf("%s; asked about %v; %d of %d questions failed", f.Text, f.Event, f.Failed, f.Asked)
	if f.Unasked > 0 {
		s += fmt.Sprintf(", and %d more were not asked", f.Unasked)
	}
	return s
}

// TryAgain reports whether no fault of the policy is known: the same check may
// succeed later.
func (f *Failure) TryAgain() bool { return f.fault.Passes() }

// Hint returns advice for the author or the operator; "" if there is none.
func (f *Failure) Hint() string {
	if f.TryAgain() {
		return "nothing is known to be wrong with the policy: try again"
	}
	switch f.fault {
	case policy.FaultRefused:
		if f.Refusal != nil && f.Refusal.Limit > 0 {
			return "make it smaller: the limits are the host's, for any policy"
		}
		return "sdk/ABI.md says what a policy imports and exports, and what it is built of"
	case policy.FaultConfigure:
		return ParamsHint
	case policy.FaultFuel:
		return "a unit of fuel is about one simple instruction: bound the loops, or do less at a time"
	case policy.FaultOutput:
		return "sdk/ABI.md says what a verdict looks like, and what may not move"
	case policy.FaultMemory:
		return "let it keep less in memory, or declare less"
	}
	return ""
}

// fail sets verdict and failure.
func (r *Report) fail(v Outcome, err error) {
	f := &Failure{Text: err.Error()}
	var fault *engine.FaultError
	if errors.As(err, &fault) {
		f.Text, f.Step, f.fault = fault.Error(), fault.Step, fault.Fault
		f.Cause = fault.Fault.String()
	}
	var refusal *gate.Refusal
	if errors.As(err, &refusal) {
		f.Refusal = &Refusal{
			Rule: string(refusal.Rule), Offset: refusal.Offset, Section: refusal.Section,
			Function: refusal.Func, Limit: refusal.Limit, Got: refusal.Got,
		}
	}
	r.Outcome, r.Failure = v, f
}
