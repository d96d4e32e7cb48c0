package idle

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock tells nanoseconds since the Governor's start. now is exact (about
// 30 ns); stamp is coarse (about 1 ns): an upper bound of now, rounded up to
// the next step, so that a deadline counted from a stamp is never early.
//
// A timer moves the coarse hand while somebody stamps, and rests otherwise:
// a process full of idle connections does not tick.
type clock struct {
	base  time.Time
	step  int64
	still bool // the hand alone is the time, and a Virtual moves it

	hand atomic.Int64
	used atomic.Bool // somebody stamped since the last tick

	mu      sync.Mutex
	timer   *time.Timer
	quiet   int // ticks without a stamp
	resting bool
	closed  bool
}

// restAfter is the number of ticks without a stamp after which the clock
// rests. Low enough to rest soon, high enough not to stop and start within
// one request.
const restAfter = 8

func newClock(step time.Duration) *clock {
	k := &clock{base: time.Now(), step: int64(step), resting: true}
	k.timer = time.AfterFunc(time.Hour, k.tick)
	k.timer.Stop()
	return k
}

// newStillClock returns a clock that stands until it is set.
func newStillClock(base time.Time, step time.Duration) *clock {
	k := &clock{base: base, step: int64(step), still: true}
	k.timer = time.AfterFunc(time.Hour, k.tick)
	k.timer.Stop()
	k.used.Store(true)
	return k
}

func (k *clock) now() int64 {
	if k.still {
		return k.hand.Load()
	}
	return int64(time.Since(k.base))
}

// millis is the wall clock at t, in Unix milliseconds, as it was at the start
// plus the time passed: steps of the wall clock do not reach it.
func (k *clock) millis(t int64) int64 { return k.base.UnixMilli() + t/1e6 }

// stamp is on the path of every read and write.
func (k *clock) stamp() int64 {
	if !k.used.Load() {
		k.wake()
	}
	return k.hand.Load()
}

// wake notes that the clock is wanted and starts it if it rests.
func (k *clock) wake() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used.Store(true)
	if k.resting && !k.closed {
		k.resting, k.quiet = false, 0
		k.move()
	}
}

// tick is the timer's.
func (k *clock) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.used.Swap(false) {
		k.quiet = 0
	} else if k.quiet++; k.quiet > restAfter || k.closed {
		k.resting = true
		return
	}
	k.move()
}

// move sets the hand to the next step and the timer to go off at it.
func (k *clock) move() {
	now := k.now()
	hand := (now/k.step + 1) * k.step
	if now%k.step == 0 && k.hand.Load() < now {
		hand = now // exactly on a step
	}
	k.hand.Store(hand)
	k.timer.Reset(time.Duration(max(hand-now, 1)))
}

func (k *clock) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.timer.Stop()
}
