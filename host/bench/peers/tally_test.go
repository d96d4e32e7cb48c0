package main

import (
	"errors"
	"sync"
	"testing"
	"time"
)

func TestTally(t *testing.T) {
	const n = 200
	tl := newTally(n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			if i%2 == 1 {
				err = errors.New("odd")
			}
			tl.add(i, time.Duration(i+1)*time.Millisecond, err)
		})
	}
	wg.Wait()
	r, err := tl.report()
	if r.Failed != n/2 || err == nil || err.Error() != "odd" {
		t.Errorf("failed = %d, %v; want %d", r.Failed, err, n/2)
	}
	// Of the hundred that went well: 1, 3, ... 199 ms.
	if r.P50 != 99*time.Millisecond || r.P99 != 197*time.Millisecond || tl.last() != 199*time.Millisecond {
		t.Errorf("p50 %v, p99 %v, last %v", r.P50, r.P99, tl.last())
	}
}

func TestTallyOfNothing(t *testing.T) {
	tl := newTally(0)
	if r, err := tl.report(); r != (report{}) || err != nil || tl.last() != 0 {
		t.Errorf("report = %+v, %v", r, err)
	}
	all := newTally(1)
	all.add(0, 0, errors.New("lost"))
	if r, err := all.report(); r.Failed != 1 || r.P99 != 0 || err == nil {
		t.Errorf("report = %+v, %v", r, err)
	}
}

func TestSpreadCallsEachOnce(t *testing.T) {
	for _, c := range []struct{ n, workers int }{{0, 4}, {1, 4}, {10, 3}, {3, 3}} {
		calls := make([]int, c.n)
		spread(c.n, c.workers, func(i int) { calls[i]++ })
		for i, k := range calls {
			if k != 1 {
				t.Errorf("spread(%d, %d): %d calls of %d", c.n, c.workers, k, i)
			}
		}
	}
}
