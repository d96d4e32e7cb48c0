package engine

import "time"

const (
	firstWait = 100 * time.Millisecond // before the second instance in a row is made
	lastWait  = 30 * time.Second       // and at most before any
	calmAfter = time.Minute            // without a fault, and the count starts anew
	// poisoned is the number of faults in a row after which the learned
	// state is suspected, and dropped.
	poisoned = 4
)

// breaker spaces out the instances of a guest that keeps failing. The first
// fault costs nothing but the instance; from then on the wait doubles. Times
// are event times in Unix milliseconds, so a replay waits as production did.
type breaker struct {
	failures int // in a row
	failedMs uint64
	openMs   uint64 // no instance before this time
}

// fault notes a failure at now.
func (b *breaker) fault(now uint64) {
	if now < b.failedMs || now-b.failedMs >= uint64(calmAfter.Milliseconds()) {
		b.failures = 0
	}
	b.failures++
	b.failedMs, b.openMs = now, now
	if b.failures > 1 {
		wait := firstWait << min(b.failures-2, 20)
		b.openMs += uint64(min(wait, lastWait).Milliseconds())
	}
}

// open reports whether it is too early for another instance. A clock that was
// set back does not keep it open for longer than lastWait.
func (b *breaker) open(now uint64) bool {
	return now < b.openMs && b.openMs-now <= uint64(lastWait.Milliseconds())
}
