package confine

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// impose sets the limits that the kernel counts, and the priority. Soft and
// hard ones are equal, so that the kernel enforces them without asking.
//
// There is no limit on processes: the kernel counts those of the user, all
// threads of the host among them.
func (l Limits) impose() error {
	data, mapped := statusBytes("/proc/self/status", "VmData"), statusBytes("/proc/self/status", "VmSize")
	if data <= 0 || mapped <= 0 {
		return errors.New("size of the process is not known")
	}
	if err := lowerPriority(l.Nice); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	if l.Yields {
		if err := yield(); err != nil {
			return err
		}
	}
	// Where memory runs out, this process goes before the host does. Some
	// containers do not let it say so.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if l.Stack > 0 {
		debug.SetMaxStack(int(l.Stack))
	}
	unix.Umask(0o077)
	for _, r := range []struct {
		resource int
		limit    int64
		on       bool
	}{
		{unix.RLIMIT_CORE, 0, true},
		{unix.RLIMIT_FSIZE, l.FileSize, true},
		// Go's runtime ignores the signal of a soft limit. At a hard one the kernel
		// kills. It counts ticks for that, up to a tenth more than wait4(2) does
		// on a busy machine: a second more, and whoever was killed has had his own.
		{unix.RLIMIT_CPU, l.CPU + 1, l.CPU > 0},
		{unix.RLIMIT_NOFILE, int64(l.descriptors()), true},
		// RLIMIT_DATA counts private writable mappings: the runtime makes them
		// in steps of 64 MiB when the heap grows, and dies where it may not.
		{unix.RLIMIT_DATA, data + l.Memory, l.Memory > 0},
		{unix.RLIMIT_AS, mapped + l.AddressSpace, l.AddressSpace > 0},
	} {
		if !r.on {
			continue
		}
		var limit unix.Rlimit
		if err := unix.Getrlimit(r.resource, &limit); err != nil {
			return fmt.Errorf("resource %d: %w", r.resource, err)
		}
		limit.Max = min(limit.Max, uint64(r.limit)) // what the host is under, it stays under
		limit.Cur = limit.Max
		if err := unix.Setrlimit(r.resource, &limit); err != nil {
			return fmt.Errorf("resource %d: %w", r.resource, err)
		}
	}
	return nil
}

// lowerPriority lowers the priority of the whole process, unless it is as low
// already: it could not be raised.
func lowerPriority(nice int) error {
	// The system call counts from 20 down to 1 where people count from 0 to 19.
	if priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-priority >= nice {
		return err
	}
	// Of the group, which this process leads: "process" means one thread, on
	// Linux, and this is but one of several.
	return unix.Setpriority(unix.PRIO_PGRP, 0, nice)
}
