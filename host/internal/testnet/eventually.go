package testnet

import (
	"runtime"
	"testing"
	"time"
)

// Patience bounds every wait of a test for an event outside it. The event comes
// within milliseconds on a quiet machine, and later on a busy one; where it never
// comes, the test says where it hangs.
const Patience = 2 * time.Minute

// pause is the time between two looks at a condition. Meanwhile the processor is
// free for the goroutines that are waited for.
const pause = time.Millisecond

// Eventually waits until a condition holds.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !Holds(ok) {
		stacks := make([]byte, 1<<20)
		t.Fatalf("not within %v: %s\n%s", Patience, what, stacks[:runtime.Stack(stacks, true)])
	}
}

// Holds is Eventually where there is no test to fail.
func Holds(ok func() bool) bool {
	if ok() {
		return true
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for end := time.Now().Add(Patience); time.Now().Before(end); {
		<-tick.C
		if ok() {
			return true
		}
	}
	return false
}
