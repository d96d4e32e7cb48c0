package engine

import (
	"sync"
	"testing"
)

// TestFuelRateForgivesLateQuestions: those of several policies come slightly out
// of order, which earns nothing twice.
func TestFuelRateForgivesLateQuestions(t *testing.T) {
	r := newFuelRate(1000)
	r.open(10_000)
	r.use(2000)
	for range 100 {
		r.open(10_001)
		r.open(10_000)
	}
	if left := r.left.Load(); left != 1000 {
		t.Errorf("%d thousandths were earned in a millisecond, want 1000", left)
	}
	r.open(10_001 - burstMs) // the clock was set back
	r.open(10_002 - burstMs)
	if left := r.left.Load(); left != 2000 {
		t.Errorf("after the clock was set back %d are left, want 2000", left)
	}
	r.open(1 << 60)
	if left := r.left.Load(); left != 1000*burstMs {
		t.Errorf("after a long time %d are left", left)
	}
}

// TestHammerFuelRate: nothing that is used or earned is lost.
func TestHammerFuelRate(t *testing.T) {
	const each, units = 10_000, 3
	r := newFuelRate(1000)
	r.open(1)
	r.use(1_000_000) // so far in debt that nothing is cut off
	before := r.left.Load()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ms := range uint64(each) {
				r.open(1 + ms/10)
				r.use(units)
			}
		})
	}
	wg.Wait()
	earned := int64(each/10-1) * 1000
	if got, want := r.left.Load()-before, earned-4*each*units*1000; got != want {
		t.Errorf("left changed by %d, want %d", got, want)
	}
}

func TestFuelRateAllocatesNothing(t *testing.T) {
	r, now := newFuelRate(1000), uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now++
		r.open(now)
		r.use(10)
	}); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}
