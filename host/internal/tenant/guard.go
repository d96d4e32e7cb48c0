package tenant

import (
	"fmt"
	"strconv"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/tenant/spec"
)

func minSamples(g spec.Guard) uint64 {
	if g.MinSamples <= 0 {
		return 100
	}
	return uint64(g.MinSamples)
}

func margin(m float64) float64 {
	if m == 0 {
		return 0.02
	}
	return max(m, 0)
}

// trial is what canary and active version had done when they came together:
// they are compared over the same time.
type trial struct{ active, canary tally }

// Judge compares the canary with the active version since both have their
// roles. worse says that it should be taken back, and reason why, in a sentence.
//
// Faults that are the host's doing are no faults of a canary: busy (its owner's
// questions came at once, or it could not be compiled at the time), rate (the fuel that its versions share) and
// not_loaded (it was let go, or is being loaded). Refused, compile, init and
// configure are its own, and so is breaker, which its own faults have opened.
func (t *Tenant) Judge() (reason string, worse bool) {
	p := t.plan.Load()
	if p.canary == nil {
		return "", false
	}
	life := p.active.tally()
	c, a := p.canary.tally().minus(p.trial.canary), life.minus(p.trial.active)
	n := minSamples(p.guard)
	if reason, worse = judgeFaults(p.guard, c.answers(), a.answers()); worse {
		return reason, true
	}
	if a.closes < n { // most clients may be the canary's: what was before will do
		a = life
	}
	if a.closes < n || c.closes < n {
		// Some clients are always back early. With nothing to compare with,
		// that is no reason.
		return "", false
	}
	early := pair{canary: c.of(c.early), active: a.of(a.early), margin: margin(p.guard.EarlyCloses), atLeast: n}
	if early.worse() {
		return early.sentence("early closes", "closes"), true
	}
	late := pair{canary: c.of(c.late), active: a.of(a.late), margin: margin(p.guard.LateRequests), atLeast: n}
	if late.worse() {
		return late.sentence("late requests", "closes"), true
	}
	return "", false
}

// judgeFaults takes an active version that was not asked for one without
// faults: that is what a policy should be.
func judgeFaults(g spec.Guard, canary, active share) (string, bool) {
	f := pair{canary: canary, active: active, margin: margin(g.Faults), atLeast: minSamples(g)}
	return f.sentence("faults", "answers"), f.worse()
}

// answers is the share of faults among the questions that the guest is
// answerable for.
func (t tally) answers() share {
	var hosts, own uint64
	for f, n := range t.faults {
		if policy.Fault(f).Passes() {
			hosts += n
		} else {
			own += n
		}
	}
	return share{n: own, of: max(t.asks-min(t.asks, hosts), own)}
}

func (t tally) of(n uint64) share { return share{n: min(n, t.closes), of: t.closes} }

// sentence says what was seen of what, as "faults: 12.0 % of 1,240 answers
// against 0.1 % of 11,204".
func (p pair) sentence(what, of string) string {
	return fmt.Sprintf("%s: %.1f %% of %s %s against %.1f %% of %s", what,
		100*p.canary.rate(), grouped(p.canary.of), of, 100*p.active.rate(), grouped(p.active.of))
}

// grouped writes a number with commas.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
