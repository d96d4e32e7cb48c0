package child

import (
	"runtime"
	"testing"
)

// TestEveryThreadHasItsWatchdog: one, however often the goroutine comes there.
func TestEveryThreadHasItsWatchdog(t *testing.T) {
	dogs := newWatchdogs(SignalQuestion)
	mine := func() {
		arm, err := dogs.mine()
		if err != nil {
			t.Error(err)
			return
		}
		arm(0)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mine()
	mine()
	other := make(chan struct{})
	go func() { // on another thread, as this one is taken
		defer close(other)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		mine()
		mine()
	}()
	<-other
	mine()
	if n := len(dogs.known); n != 2 {
		t.Errorf("two threads have %d watchdogs", n)
	}
}
