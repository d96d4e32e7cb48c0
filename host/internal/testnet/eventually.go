package testnet

import (
	"runtime"
	"testing"
	"time"
)

// Patience bounds every wait of a test for the world: what is waited for comes
// within milliseconds on a quiet machine, and late on a busy one. It is there
// for what never comes, so that a test says where it hangs.
const Patience = 2 * time.Minute

// pause is between two looks at a condition. Whoever waits leaves the processor
// to those it waits for.
const pause = time.Millisecond

// Eventually waits for a condition of the world.
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
