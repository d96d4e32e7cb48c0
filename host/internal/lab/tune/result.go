package tune

import (
	"idlehost/host/internal/lab/study"
)

// Version is that of the JSON.
const Version = 1

// Result is what a search has found, and what it is worth: the JSON of host
// tune. Durations are in milliseconds.
type Result struct {
	Version int    `json:"version"`
	Policy  string `json:"policy"`
	Digest  string `json:"digest"`
	WorthMs int64  `json:"worth_ms"`
	Seed    uint64 `json:"seed"`
	// SplitMs is where the part that was fitted to ends, of SpanMs.
	SplitMs int64 `json:"split_ms"`
	SpanMs  int64 `json:"span_ms"`
	Trials  int   `json:"trials"`
	// Params are those that were searched.
	Params []Searched `json:"params"`
	// Default is the policy as it stood, Tuned with what was found, Fixed the
	// best constant timeout of the first part.
	Default Contender  `json:"default"`
	Tuned   Contender  `json:"tuned"`
	Fixed   *Contender `json:"fixed,omitempty"`
	// Ratio is of the tuned policy's cost to the default's on the part after
	// the split; ToFixed to that of the constant timeout.
	Ratio   Ratio  `json:"ratio"`
	ToFixed *Ratio `json:"to_fixed,omitempty"`
	// Keep says to keep the default: the gain is not beyond chance.
	Keep  bool     `json:"keep"`
	Notes []string `json:"notes"`
	Tried []Tried  `json:"tried"` // in their order
}

// Searched is a parameter and what came of it.
type Searched struct {
	Name  string `json:"name"`
	Range string `json:"range"`
	Scale string `json:"scale"`
	Value string `json:"value"`
	// Effect is by how much, as a part of the best cost, the cost moves on the
	// fitted part over the whole range with all else at its best.
	Effect float64 `json:"effect"`
	// Edge says that the value is the lowest or the highest there was: "low",
	// "high" or nothing.
	Edge string `json:"edge,omitempty"`
}

// Contender is a policy with parameters, on both parts.
type Contender struct {
	Params map[string]string `json:"params"`
	Train  Sums              `json:"train"`
	Test   Sums              `json:"test"`
}

// Sums are the sums of a replay that matter here.
type Sums struct {
	CostMs    int64 `json:"cost_ms"`
	HeldMs    int64 `json:"held_ms"`
	Gaps      int64 `json:"gaps"`
	Premature int64 `json:"premature"`
}

// Ratio is one of costs, with its 95 % interval by bootstrap over clients.
type Ratio struct {
	Value    float64        `json:"value"`
	Interval study.Interval `json:"interval"`
}

// Tried is one set of parameters on the fitted part.
type Tried struct {
	Params map[string]string `json:"params"`
	CostMs int64             `json:"cost_ms"`
	// Refused is what the policy says of a combination that it does not take.
	Refused string `json:"refused,omitempty"`
}

func sums(t *study.Tally) Sums {
	return Sums{CostMs: t.CostMs, HeldMs: t.HeldMs, Gaps: t.Gaps, Premature: t.Premature}
}
