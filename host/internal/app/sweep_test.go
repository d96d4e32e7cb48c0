package app

import (
	"testing"
	"testing/synctest"
	"time"
)

// A sweep waits for the end of a wave, and for a wave that does not end only
// so long; a few connections are not worth it.
func TestSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parked, sweeps := 0, 0
		s := &sweeper{parked: func() int { return parked }, sweep: func() { sweeps++ }, stop: make(chan struct{}), done: make(chan struct{})}
		go s.run()
		defer s.close()
		pass := func(looks int) {
			time.Sleep(time.Duration(looks) * sweepEvery)
			synctest.Wait()
		}
		want := func(n int, when string) {
			t.Helper()
			if sweeps != n {
				t.Fatalf("%s: %d sweeps, want %d", when, sweeps, n)
			}
		}
		parked = sweepWorth - 1
		pass(20)
		want(0, "a few")
		parked = 1000
		pass(1)
		want(0, "while they come")
		pass(1)
		want(1, "when they have come")
		pass(20)
		want(1, "and nothing after it")
		parked = 100
		pass(1)
		parked = 200
		pass(2)
		want(2, "others have parked meanwhile")
		for range sweepLate {
			parked += 10 * sweepWorth
			pass(1)
		}
		want(3, "a wave without an end")
	})
}
