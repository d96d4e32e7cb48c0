package engine

import (
	"sync/atomic"
	"time"
)

// timedMutex is a mutex that a caller can wait for with a time limit: nobody can
// interrupt a guest, and a connection must not wait for long while the guest
// answers for another. Waiters get it in the order in which they came. The zero
// value is not usable; newTimedMutex makes one.
type timedMutex struct {
	// users counts the holder, or the one to whom it is being handed, and the
	// waiters.
	users atomic.Int64
	// handed holds the lock on its way from one holder to the next. It has at
	// most one element, since only the holder sends.
	handed chan struct{}
}

func newTimedMutex() timedMutex { return timedMutex{handed: make(chan struct{}, 1)} }

// Lock waits for the lock as long as it takes.
func (t *timedMutex) Lock() {
	if t.users.Add(1) > 1 {
		<-t.handed
	}
}

// Unlock hands the lock to the next waiter, if there is one.
func (t *timedMutex) Unlock() {
	if t.users.Add(-1) > 0 {
		t.handed <- struct{}{}
	}
}

// lockWithin waits for the lock for at most d, and reports whether the caller
// holds it now. If the lock is free, it allocates nothing.
func (t *timedMutex) lockWithin(d time.Duration) bool {
	return t.users.CompareAndSwap(0, 1) || t.wait(d)
}

func (t *timedMutex) wait(d time.Duration) bool {
	if t.users.Add(1) == 1 {
		return true
	}
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-t.handed:
		return true
	case <-late.C:
		return !t.giveUp()
	}
}

// giveUp ends waiting. It reports false if the lock came after all, and takes it:
// where there is only one user, that is the caller.
func (t *timedMutex) giveUp() bool {
	for {
		n := t.users.Load()
		if n == 1 {
			<-t.handed
			return false
		}
		if t.users.CompareAndSwap(n, n-1) {
			return true
		}
	}
}
