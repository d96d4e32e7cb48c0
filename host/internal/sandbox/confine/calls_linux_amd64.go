package confine

import "golang.org/x/sys/unix"

const arch = unix.AUDIT_ARCH_X86_64

// Calls that newer architectures have in another form alone.
var (
	allowedHere = []uint32{unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_TIME}
	deadlyHere  = []uint32{unix.SYS_FORK, unix.SYS_VFORK}
)
