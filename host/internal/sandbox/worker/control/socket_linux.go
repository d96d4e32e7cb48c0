package control

import (
	"os"

	"golang.org/x/sys/unix"
)

// Socket returns the two ends of a stream socket: the host's, and the worker's,
// which the child that is started inherits. Both are to be closed by the caller.
func Socket() (host, worker *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control of a worker"), nil
}
