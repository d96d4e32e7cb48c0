package engine

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTimedMutexIsWaitedForNoLongerThanAllowed: it comes a nanosecond before the
// wait ends, and does not when the wait ends.
func TestTimedMutexIsWaitedForNoLongerThanAllowed(t *testing.T) {
	for _, c := range []struct {
		held time.Duration
		want bool
	}{{time.Millisecond - 1, true}, {time.Millisecond + 1, false}} {
		synctest.Test(t, func(t *testing.T) {
			u := newTimedMutex()
			u.Lock()
			began := time.Now()
			time.AfterFunc(c.held, u.Unlock)
			got := u.lockWithin(time.Millisecond)
			if took := time.Since(began); got != c.want || took != min(c.held, time.Millisecond) {
				t.Errorf("held for %v: got %t after %v", c.held, got, took)
			}
			if got {
				u.Unlock()
			}
			time.Sleep(time.Second)
			if !u.lockWithin(0) {
				t.Error("it does not come back")
			}
		})
	}
}

// TestTimedMutexIsHandedOnInOrder, past one who has given up.
func TestTimedMutexIsHandedOnInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newTimedMutex()
		u.Lock()
		var got []int
		for n, wait := range []time.Duration{time.Hour, time.Millisecond, time.Hour, time.Hour} {
			go func() {
				if u.lockWithin(wait) {
					got = append(got, n) // guarded by the mutex
					u.Unlock()
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		u.Unlock()
		synctest.Wait()
		if len(got) != 3 || got[0] != 0 || got[1] != 2 || got[2] != 3 {
			t.Errorf("turns came to %v", got)
		}
	})
}

// TestHammerTimedMutex: one at a time, whoever waits for how long, and none is lost.
func TestHammerTimedMutex(t *testing.T) {
	u := newTimedMutex()
	var wg sync.WaitGroup
	counts := [2]int{} // the first guarded by the mutex
	var mu sync.Mutex
	for g := range 8 {
		wg.Go(func() {
			mine := 0
			for i := range 5000 {
				if g%4 == 0 {
					u.Lock()
				} else if !u.lockWithin(time.Duration(i%3) * time.Microsecond) {
					continue
				}
				counts[0]++
				mine++
				u.Unlock()
			}
			mu.Lock()
			counts[1] += mine
			mu.Unlock()
		})
	}
	wg.Wait()
	if counts[0] != counts[1] || counts[0] < 10_000 || u.users.Load() != 0 || len(u.handed) != 0 {
		t.Errorf("%d turns were taken, %d counted, %d users and %d on the way", counts[1], counts[0], u.users.Load(), len(u.handed))
	}
}

func TestFreeTimedMutexAllocatesNothing(t *testing.T) {
	u := newTimedMutex()
	if n := testing.AllocsPerRun(1000, func() {
		if !u.lockWithin(time.Millisecond) {
			t.Fatal("nobody has it")
		}
		u.Unlock()
	}); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}
