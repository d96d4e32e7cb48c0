package engine

import (
	"sync/atomic"
	"time"
)

// turn is a lock that can be waited for no longer than a while: nobody can
// interrupt a guest, and a connection need not wait for what a guest does to
// another's. The zero value is not usable; newTurn makes one. Those who wait
// get it in the order in which they came.
type turn struct {
	// users counts who has it, or is being handed it, and who waits for it.
	users atomic.Int64
	// handed holds the turn while it goes from one to the next. It never has
	// more than one: nobody hands on what he does not have.
	handed chan struct{}
}

func newTurn() turn { return turn{handed: make(chan struct{}, 1)} }

// Lock waits for the turn as long as it takes.
func (t *turn) Lock() {
	if t.users.Add(1) > 1 {
		<-t.handed
	}
}

// Unlock hands the turn on.
func (t *turn) Unlock() {
	if t.users.Add(-1) > 0 {
		t.handed <- struct{}{}
	}
}

// lockWithin waits for the turn for at most d, and reports whether it came.
// Where nobody has it, it allocates nothing.
func (t *turn) lockWithin(d time.Duration) bool {
	return t.users.CompareAndSwap(0, 1) || t.queue(d)
}

func (t *turn) queue(d time.Duration) bool {
	if t.users.Add(1) == 1 {
		return true
	}
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-t.handed:
		return true
	case <-late.C:
		return !t.leave()
	}
}

// leave gives up waiting. It reports false where the turn had come: if there
// is but one user, that is the one who wanted to leave.
func (t *turn) leave() bool {
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
