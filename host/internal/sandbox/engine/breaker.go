package engine

import (
	"math/rand/v2"
	"time"
)

const (
	firstWait  = 100 * time.Millisecond // before the second instance in a row is made
	lastWait   = 30 * time.Second       // and at most before any, without jitter
	resetAfter = time.Minute            // without a fault, and the count starts anew
	// dropStateAfter is the number of faults in a row after which the learned
	// state is suspected to be their cause, and dropped.
	dropStateAfter = 4
)

// breaker spaces out the instances of a guest that keeps failing. The first
// fault costs nothing but the instance; from then on the wait doubles, give or
// take a quarter, so that guests which failed together do not all come back
// together. Times are event times in Unix milliseconds and the jitter follows
// from seed and count, so a replay waits as production did.
type breaker struct {
	seed     uint64 // the policy's
	failures int    // in a row
	failedMs uint64
	openMs   uint64 // no instance before this time
}

// fault notes a failure at now.
func (b *breaker) fault(now uint64) {
	if now < b.failedMs || now-b.failedMs >= uint64(resetAfter.Milliseconds()) {
		b.failures = 0
	}
	b.failures++
	b.failedMs, b.openMs = now, now
	if b.failures > 1 {
		wait := firstWait << min(b.failures-2, 20)
		b.openMs += b.jitter(uint64(min(wait, lastWait).Milliseconds()))
	}
}

// jitter returns ms with at most a quarter more or less.
func (b *breaker) jitter(ms uint64) uint64 {
	var rng rand.PCG
	rng.Seed(b.seed, uint64(b.failures))
	return ms - ms/4 + rng.Uint64()%(ms/2+1)
}

// open reports whether it is too early for another instance. A clock that was
// set back does not keep it open for longer than the longest wait.
func (b *breaker) open(now uint64) bool {
	return now < b.openMs && b.openMs-now <= uint64(lastWait.Milliseconds())*5/4
}
