package fair

import (
	"testing"
	"time"
)

func TestAllowance(t *testing.T) {
	start := time.Unix(1e9, 0)
	a := NewAllowance(10*time.Second, 2500*time.Microsecond)
	open := func(what string, now time.Time, want time.Duration) {
		t.Helper()
		if got := a.Overdrawn(now); got != want {
			t.Errorf("%s: overdrawn for %v, want %v", what, got, want)
		}
	}
	open("new", start, 0)
	left := func(what string, now time.Time, want time.Duration) {
		t.Helper()
		if got := a.Left(now); got != want {
			t.Errorf("%s: %v are left, want %v", what, got, want)
		}
	}
	left("new", start, 10*time.Second)
	a.Use(start, 9*time.Second)
	left("nine of ten used", start, time.Second)
	left("and 400 s later", start.Add(400*time.Second), 2*time.Second)
	a.Use(start, time.Second)
	open("used up", start, 0) // nothing is owed
	left("used up", start, 0)
	a.Use(start, time.Second)
	open("a second too much", start, 400*time.Second)
	open("1 ns early", start.Add(400*time.Second-1), 1)
	open("on time", start.Add(400*time.Second), 0)
	// Ten seconds are saved again after 4000, and no more after any time.
	late := start.Add(1_000_000 * time.Second)
	a.Use(late, 10*time.Second)
	open("saved and used", late, 0)
	a.Use(late, time.Millisecond)
	open("and a ms", late, 400*time.Millisecond)
	a.Use(late, -time.Hour)
	open("a clock that ran backwards", late, 400*time.Millisecond)
}

// TestAllowanceHasNoOverflow, whatever it is told.
func TestAllowanceHasNoOverflow(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, perSecond := range []time.Duration{1, time.Microsecond, time.Second, 1 << 62} {
		a := NewAllowance(1<<62, perSecond)
		a.Use(now, 1<<62)
		a.Use(now, time.Second)
		if got := a.Overdrawn(now); got <= 0 && perSecond < 1<<62 {
			t.Errorf("per second %v: overdrawn for %v", perSecond, got)
		}
	}
}

func TestAllowanceOfOtherBounds(t *testing.T) {
	now := time.Unix(1e9, 0)
	a := NewAllowance(40*time.Millisecond, 20*time.Millisecond)
	a.Use(now, 10*time.Millisecond)
	more := a.Change(now, 400*time.Millisecond, 200*time.Millisecond)
	if got := more.Left(now); got != 30*time.Millisecond {
		t.Errorf("%v are left of 30 ms", got)
	}
	less := a.Change(now, 4*time.Millisecond, 2*time.Millisecond)
	if got := less.Left(now); got != 4*time.Millisecond {
		t.Errorf("%v are left of the 4 that can be saved", got)
	}
	a.Use(now, 40*time.Millisecond) // owes 10: half a second
	debt := a.Change(now, 400*time.Millisecond, 200*time.Millisecond)
	if got := debt.Overdrawn(now); got != 50*time.Millisecond {
		t.Errorf("overdrawn for %v, of a debt that a tenth of the time pays back", got)
	}
}
