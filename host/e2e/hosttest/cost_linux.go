package hosttest

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the processor time that a process has used, in user and kernel.
func CPU(pid int) (time.Duration, error) {
	// clock_getcpuclockid(3): the complement of the process number, shifted,
	// over CPUCLOCK_SCHED. Exact to the nanosecond, where /proc counts ticks.
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("processor clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}
