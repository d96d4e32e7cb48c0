package confine

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// yield has the threads of this process give way at once to the threads of others
// that wake on their processor, the host's above all: it doubles their slice, and
// the scheduler prefers a thread that wakes with a shorter one (Linux 6.12,
// PREEMPT_SHORT). Their share of the processors stays what it was, other than with a
// lower priority. Threads that begin later inherit it. A kernel that knows no slice
// of a thread is left as it is.
func yield() error {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Runtime == 0 {
		return nil // a container's filter, or an older kernel
	}
	attr.Runtime *= 2
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return fmt.Errorf("thread %q: %w", t.Name(), err)
		}
		if err := unix.SchedSetAttr(id, attr, 0); err != nil && err != unix.ESRCH && err != unix.EPERM {
			return fmt.Errorf("slice of thread %d: %w", id, err)
		}
	}
	return nil
}
