package policy

import "slices"

// Remedy is what answers where a policy cannot.
type Remedy uint8

// The remedies.
const (
	// RemedyDefault: the operator's timeouts.
	RemedyDefault Remedy = iota
	// RemedyKeep: the deadline stays what it was when it was last decided.
	RemedyKeep
	// RemedyPrevious: the policy that was in charge before; the operator's
	// timeouts where there is none, or it fails too.
	RemedyPrevious
)

var remedyNames = [...]string{"default", "keep", "previous"}

// String returns the name used in configuration and logs.
func (r Remedy) String() string { return remedyNames[r] }

// ParseRemedy is the inverse of String.
func ParseRemedy(name string) (Remedy, bool) {
	i := slices.Index(remedyNames[:], name)
	return Remedy(max(i, 0)), i >= 0
}

// RemedyNames lists them.
func RemedyNames() []string { return slices.Clone(remedyNames[:]) }

// Remedies says, by cause, what answers.
type Remedies [Faults]Remedy

// DefaultRemedies is the operator's timeouts for every cause but one: a policy
// that works, and has merely used up what it may, keeps its last deadline.
func DefaultRemedies() (r Remedies) {
	r[FaultRate] = RemedyKeep
	return r
}

// Uses reports whether any cause has remedy want.
func (r *Remedies) Uses(want Remedy) bool { return slices.Contains(r[:], want) }
