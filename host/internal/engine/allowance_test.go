package engine

import (
	"testing"
	"time"
)

func TestAllowance(t *testing.T) {
	start := time.Unix(1e9, 0)
	a := newAllowance(10*time.Second, 2500*time.Microsecond)
	open := func(what string, now time.Time, want time.Duration) {
		t.Helper()
		if got := a.overdrawn(now); got != want {
			t.Errorf("%s: overdrawn for %v, want %v", what, got, want)
		}
	}
	open("new", start, 0)
	left := func(what string, now time.Time, want time.Duration) {
		t.Helper()
		if got := a.left(now); got != want {
			t.Errorf("%s: %v are left, want %v", what, got, want)
		}
	}
	left("new", start, 10*time.Second)
	a.use(start, 9*time.Second)
	left("nine of ten used", start, time.Second)
	left("and 400 s later", start.Add(400*time.Second), 2*time.Second)
	a.use(start, time.Second)
	open("used up", start, 0) // nothing is owed
	left("used up", start, 0)
	a.use(start, time.Second)
	open("a second too much", start, 400*time.Second)
	open("1 ns early", start.Add(400*time.Second-1), 1)
	open("on time", start.Add(400*time.Second), 0)
	// Ten seconds are saved again after 4000, and no more after any time.
	late := start.Add(1_000_000 * time.Second)
	a.use(late, 10*time.Second)
	open("saved and used", late, 0)
	a.use(late, time.Millisecond)
	open("and a ms", late, 400*time.Millisecond)
	a.use(late, -time.Hour)
	open("a clock that ran backwards", late, 400*time.Millisecond)
}

// TestAllowanceHasNoOverflow, whatever it is told.
func TestAllowanceHasNoOverflow(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, perSecond := range []time.Duration{1, time.Microsecond, time.Second, 1 << 62} {
		a := newAllowance(1<<62, perSecond)
		a.use(now, 1<<62)
		a.use(now, time.Second)
		if got := a.overdrawn(now); got <= 0 && perSecond < 1<<62 {
			t.Errorf("per second %v: overdrawn for %v", perSecond, got)
		}
	}
}
