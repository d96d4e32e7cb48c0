package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime returns the processor time of this thread since it began; 0
// where the kernel will not tell.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
