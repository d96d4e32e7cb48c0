//go:build unix

package observe

import "syscall"

// FileLimit returns how many descriptors the process may have; 0: unknown.
func FileLimit() uint64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0
	}
	return uint64(r.Cur)
}
