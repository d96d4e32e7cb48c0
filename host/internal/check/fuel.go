package check

import (
	"math"

	"idlehost/sdk/abi"
)

// Fuel is the fuel that the policy has used, and its budgets, in units of about one
// simple instruction: 0.3 to 1 ns, 5 at most.
type Fuel struct {
	PerSecond int64 `json:"per_second"` // what the policy may use in the long run
	Init      Spent `json:"init"`       // the larger of the start function and _initialize
	Configure Spent `json:"configure"`  // the larger of configure_buffer and configure
	Accept    Spent `json:"on_accept"`
	Timeout   Spent `json:"on_timeout"`
	Close     Spent `json:"on_close"`
	// Worst is the question that used the most fuel; null: none was asked.
	Worst *Answer `json:"worst"`
	// Percent is the share of its budget that Worst used.
	Percent float64 `json:"worst_percent"`
	// Total is the fuel that the check has used, with a million units more for each
	// instance after the first. TotalBudget is its bound: a policy that answers every
	// question uses less.
	Total       uint64 `json:"total"`
	TotalBudget uint64 `json:"total_budget"`
}

// Spent is the fuel of one export.
type Spent struct {
	Calls   int     `json:"calls"` // that took any
	Mean    uint64  `json:"mean"`
	Most    uint64  `json:"most"`
	Budget  int64   `json:"budget"` // of one call
	Percent float64 `json:"percent"`

	total uint64
}

// took counts a call.
func (s *Spent) took(fuel uint64) {
	if fuel == 0 {
		return
	}
	s.Calls++
	s.total += fuel
	s.Mean = s.total / uint64(s.Calls)
	s.Most = max(s.Most, fuel)
	s.Percent = percent(s.Most, s.Budget)
}

// percent returns a percentage with one decimal, rounded up: it is 0 only for
// nothing, and less than 100 for less than the whole.
func percent(part uint64, whole int64) float64 {
	p := math.Ceil(float64(part)*1000/float64(whole)) / 10
	if part < uint64(whole) {
		return min(p, 99.9)
	}
	return p
}

// hook returns what the export that answers a kind of question has spent.
func (f *Fuel) hook(kind abi.Kind) *Spent {
	switch kind {
	case abi.KindAccept:
		return &f.Accept
	case abi.KindTimeout:
		return &f.Timeout
	}
	return &f.Close
}

// count adds the fuel of an answer.
func (f *Fuel) count(kind abi.Kind, a *Answer) {
	s := f.hook(kind)
	s.took(a.Fuel)
	if a.Fuel > 0 && (f.Worst == nil || a.Fuel > f.Worst.Fuel) {
		worst := *a
		f.Worst, f.Percent = &worst, percent(a.Fuel, s.Budget)
	}
}

// rate returns how many questions a second the fuel pays for in the long run, if each
// uses as much as the worst; 0: any number.
func (f *Fuel) rate() int64 {
	if f.Worst == nil {
		return 0
	}
	return f.PerSecond / int64(f.Worst.Fuel)
}
