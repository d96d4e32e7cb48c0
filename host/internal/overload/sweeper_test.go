package overload

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A sweep waits for the end of a wave, and for a wave that does not end only
// so long; a few connections are not worth it.
func TestSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var parked, sweeps atomic.Int32
		s := &Sweeper{parked: func() int { return int(parked.Load()) }, sweep: func() { sweeps.Add(1) }, stop: make(chan struct{}), done: make(chan struct{})}
		go s.run()
		defer s.Close()
		pass := func(looks int) {
			time.Sleep(time.Duration(looks) * sweepEvery)
			synctest.Wait()
		}
		want := func(n int32, when string) {
			t.Helper()
			if sweeps.Load() != n {
				t.Fatalf("%s: %d sweeps, want %d", when, sweeps.Load(), n)
			}
		}
		parked.Store(sweepWorth - 1)
		pass(20)
		want(0, "a few")
		parked.Store(1000)
		pass(1)
		want(0, "while they come")
		pass(1)
		want(1, "when they have come")
		pass(20)
		want(1, "and nothing after it")
		parked.Store(100)
		pass(1)
		parked.Store(200)
		pass(2)
		want(2, "others have parked meanwhile")
		for range sweepLate {
			parked.Add(10 * sweepWorth)
			pass(1)
		}
		want(3, "a wave without an end")
	})
}
