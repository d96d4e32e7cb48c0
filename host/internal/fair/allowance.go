package fair

import "time"

// Allowance is processor time that is earned as real time goes by, saved up to
// a limit, and may be overdrawn. It is kept as the one moment at which nothing
// was, or will be, left: what is left grows from there.
type Allowance struct {
	span  time.Duration // in which all that can be saved is earned
	price float64       // time in which one unit of processor time is earned
	empty time.Time     // nothing is left; a debt has it in the future
}

// NewAllowance returns one with all that can be saved.
func NewAllowance(saved, perSecond time.Duration) Allowance {
	a := Allowance{price: float64(time.Second) / float64(max(perSecond, leastEarned))}
	a.span = a.takes(saved)
	return a
}

// Within these bounds no sum of times overflows.
const (
	leastEarned = time.Microsecond
	mostUsed    = time.Hour
)

// takes returns the time in which cpu is earned.
func (a *Allowance) takes(cpu time.Duration) time.Duration {
	return time.Duration(float64(min(cpu, mostUsed)) * a.price)
}

// Overdrawn returns the time until what is owed is paid back; 0: nothing is.
func (a *Allowance) Overdrawn(now time.Time) time.Duration {
	return max(a.empty.Sub(now), 0)
}

// Left returns what is saved up.
func (a *Allowance) Left(now time.Time) time.Duration {
	return max(time.Duration(float64(min(now.Sub(a.empty), a.span))/a.price), 0)
}

// Use takes what cpu costs, at now.
func (a *Allowance) Use(now time.Time, cpu time.Duration) {
	if full := now.Add(-a.span); a.empty.Before(full) {
		a.empty = full
	}
	a.empty = a.empty.Add(a.takes(max(cpu, 0)))
}

// Change returns an allowance of other bounds with what is left of this one, as
// far as it can be saved, or with its debt.
func (a *Allowance) Change(now time.Time, saved, perSecond time.Duration) Allowance {
	next := NewAllowance(saved, perSecond)
	if debt := a.Overdrawn(now); debt > 0 {
		owed := time.Duration(float64(debt) / a.price)
		next.empty = now.Add(next.takes(owed))
		return next
	}
	next.empty = now.Add(-next.takes(min(a.Left(now), saved)))
	return next
}
