//go:build amd64 || arm64

package confine

import (
	"fmt"
	"os"
	"slices"
	"unsafe"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// filterCalls has the kernel refuse every system call but those that Go's
// runtime, wazero and the child's own work need, on all threads.
func (l Limits) filterCalls() error { return load(filter(os.Getpid(), len(l.Write) > 0)) }

// load puts a program before the system calls of all threads.
func load(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	// Without it, only the privileged may have a filter.
	if err := landlock.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	f := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&f)))
	switch {
	case errno == unix.EINVAL:
		return fmt.Errorf("the kernel has no filters: %w", unix.ENOSYS)
	case errno != 0:
		return errno
	case thread != 0:
		return fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return nil
}

// filter returns the program for a process that writes files, or does not.
func filter(pid int, writes bool) []bpf.Instruction {
	self := equals(0, uint64(pid))
	rules := []callRule{{slices.Concat(allowed, allowedHere), allow}, {slices.Concat(deadly, deadlyHere), kill}, {unknown, deny}}
	checks := []argumentRule{
		// Threads, and no processes.
		{unix.SYS_CLONE, [][]condition{slices.Concat(anyBit(0, unix.CLONE_THREAD), noBit(0, newNamespaces))}},
		// RLIMIT_DATA does not count memory that is shared, nor stacks that grow.
		{unix.SYS_MMAP, [][]condition{noBit(3, unix.MAP_SHARED|unix.MAP_GROWSDOWN), noBit(3, unix.MAP_ANONYMOUS|unix.MAP_GROWSDOWN)}},
		// Signals to itself.
		{unix.SYS_TGKILL, [][]condition{self}},
		{unix.SYS_KILL, [][]condition{self}},
		// Its limits are read, not set.
		{unix.SYS_PRLIMIT64, [][]condition{slices.Concat(equals(0, 0), equals(2, 0))}},
		{unix.SYS_PRCTL, [][]condition{equals(0, unix.PR_SET_NAME), equals(0, unix.PR_SET_VMA)}},
		{unix.SYS_FCNTL, [][]condition{
			equals(1, unix.F_GETFD), equals(1, unix.F_SETFD), equals(1, unix.F_GETFL), equals(1, unix.F_SETFL),
			equals(1, unix.F_DUPFD), equals(1, unix.F_DUPFD_CLOEXEC), equals(1, unix.F_GET_SEALS), equals(1, unix.F_ADD_SEALS),
		}},
	}
	if writes {
		rules = append(rules, callRule{writing, allow})
	} else {
		checks = append(checks, argumentRule{unix.SYS_OPENAT, [][]condition{noBit(2, unix.O_WRONLY|unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC)}})
	}
	return program(arch, rules, checks)
}

const newNamespaces = unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
	unix.CLONE_NEWUSER | unix.CLONE_NEWUTS
