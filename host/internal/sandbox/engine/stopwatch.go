package engine

import (
	"runtime"
	"time"
)

// stopwatch measures the processor time of a goroutine: not what it waits for,
// and not what others do meanwhile. The goroutine is locked to its thread until
// it stops the stopwatch.
type stopwatch struct {
	clock func() time.Duration // nil: the stopwatch does not run
	began time.Duration
}

// startWatch starts one by a clock of the thread's processor time.
func startStopwatch(clock func() time.Duration) stopwatch {
	runtime.LockOSThread()
	return stopwatch{clock, clock()}
}

// runs reports whether the stopwatch was started, and not stopped since.
func (w *stopwatch) runs() bool { return w.clock != nil }

// took returns the processor time since the stopwatch was started; 0: it does
// not run.
func (w *stopwatch) took() time.Duration {
	if !w.runs() {
		return 0
	}
	return max(w.clock()-w.began, 0)
}

// stop returns the processor time since the stopwatch was started.
func (w *stopwatch) stop() time.Duration {
	took := w.took()
	w.clock = nil
	runtime.UnlockOSThread()
	return took
}
