package engine

import "time"

// allowance is processor time that is earned as real time goes by, saved up to
// a limit, and may be overdrawn. It is kept as the one moment at which nothing
// was, or will be, left: what is left grows from there.
type allowance struct {
	span  time.Duration // in which all that can be saved is earned
	price float64       // time in which one unit of processor time is earned
	empty time.Time     // nothing is left; a debt has it in the future
}

// newAllowance returns one with all that can be saved.
func newAllowance(saved, perSecond time.Duration) allowance {
	a := allowance{price: float64(time.Second) / float64(max(perSecond, leastEarned))}
	a.span = a.takes(saved)
	return a
}

// Within these bounds no sum of times overflows.
const (
	leastEarned = time.Microsecond
	mostUsed    = time.Hour
)

// takes returns the time in which cpu is earned.
func (a *allowance) takes(cpu time.Duration) time.Duration {
	return time.Duration(float64(min(cpu, mostUsed)) * a.price)
}

// overdrawn returns the time until what is owed is paid back; 0: nothing is.
func (a *allowance) overdrawn(now time.Time) time.Duration {
	return max(a.empty.Sub(now), 0)
}

// left returns what is saved up.
func (a *allowance) left(now time.Time) time.Duration {
	return max(time.Duration(float64(min(now.Sub(a.empty), a.span))/a.price), 0)
}

// use takes what cpu costs, at now.
func (a *allowance) use(now time.Time, cpu time.Duration) {
	if full := now.Add(-a.span); a.empty.Before(full) {
		a.empty = full
	}
	a.empty = a.empty.Add(a.takes(max(cpu, 0)))
}
