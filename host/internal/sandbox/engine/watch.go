package engine

import (
	"runtime"
	"time"
)

// watch measures what a goroutine takes of the processor: not what it waits
// for, and not what others do meanwhile. The goroutine keeps its thread until
// it stops the watch.
type watch struct {
	clock func() time.Duration // nil: the watch does not run
	began time.Duration
}

// startWatch starts one by a clock of the thread's processor time.
func startWatch(clock func() time.Duration) watch {
	runtime.LockOSThread()
	return watch{clock, clock()}
}

// runs reports whether the watch was started, and not stopped since.
func (w *watch) runs() bool { return w.clock != nil }

// took returns the processor time since the watch was started; 0: it does not
// run.
func (w *watch) took() time.Duration {
	if !w.runs() {
		return 0
	}
	return max(w.clock()-w.began, 0)
}

// stop returns the processor time since the watch was started.
func (w *watch) stop() time.Duration {
	took := w.took()
	w.clock = nil
	runtime.UnlockOSThread()
	return took
}
