//go:build amd64 || arm64

package confine

import "golang.org/x/sys/unix"

// System calls. Those of one architecture alone are in a file of their own.
var (
	// allowed is what every child may call: it gives access to nothing that the
	// process does not hold.
	allowed = []uint32{
		// Memory. Code is compiled or loaded into pages that become executable.
		unix.SYS_BRK, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MPROTECT, unix.SYS_MREMAP, unix.SYS_MUNMAP,
		unix.SYS_MEMBARRIER,
		// Threads.
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_FUTEX, unix.SYS_GETCPU, unix.SYS_GETTID, unix.SYS_RSEQ,
		unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_YIELD, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS,
		// Signals.
		unix.SYS_RESTART_SYSCALL, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		// Time. A worker has a timer on the processor clock of its thread.
		unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_GETTIMEOFDAY, unix.SYS_NANOSLEEP,
		unix.SYS_TIMER_CREATE, unix.SYS_TIMER_DELETE, unix.SYS_TIMER_GETOVERRUN, unix.SYS_TIMER_GETTIME,
		unix.SYS_TIMER_SETTIME,
		// Go's poller.
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PIPE2, unix.SYS_PPOLL,
		// Open descriptors.
		unix.SYS_CLOSE, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_FSTAT, unix.SYS_GETDENTS64, unix.SYS_GETPEERNAME,
		unix.SYS_GETSOCKNAME, unix.SYS_GETSOCKOPT, unix.SYS_LSEEK, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_READ,
		unix.SYS_READV, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_SENDMSG, unix.SYS_SENDTO, unix.SYS_SHUTDOWN,
		unix.SYS_WRITE, unix.SYS_WRITEV,
		// Names of files, not their content.
		unix.SYS_GETCWD, unix.SYS_NEWFSTATAT, unix.SYS_READLINKAT, unix.SYS_STATX,
		// Itself.
		unix.SYS_GETEGID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETRANDOM,
		unix.SYS_GETRUSAGE, unix.SYS_GETUID, unix.SYS_SYSINFO, unix.SYS_UNAME,
	}
	// writing is what a child that writes files calls beside. Where, is a matter
	// of Landlock.
	writing = []uint32{
		unix.SYS_FDATASYNC, unix.SYS_FSYNC, unix.SYS_FTRUNCATE, unix.SYS_MKDIRAT, unix.SYS_OPENAT, unix.SYS_RENAMEAT,
		unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT,
	}
	// deadly is what nothing in a child calls, and an attacker would: the kernel
	// kills the process, so that the attempt is seen.
	deadly = []uint32{
		unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_BIND, unix.SYS_CONNECT,
		unix.SYS_LISTEN, unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_OPEN,
		unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
		unix.SYS_PTRACE, unix.SYS_CHROOT, unix.SYS_FSMOUNT, unix.SYS_FSOPEN, unix.SYS_MOUNT, unix.SYS_MOVE_MOUNT,
		unix.SYS_OPEN_TREE, unix.SYS_PIVOT_ROOT, unix.SYS_SETNS, unix.SYS_UMOUNT2, unix.SYS_UNSHARE, unix.SYS_BPF,
		unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_IO_URING_SETUP, unix.SYS_PERF_EVENT_OPEN,
		unix.SYS_USERFAULTFD, unix.SYS_ADD_KEY, unix.SYS_KEYCTL, unix.SYS_REQUEST_KEY, unix.SYS_DELETE_MODULE,
		unix.SYS_FINIT_MODULE, unix.SYS_INIT_MODULE, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
	}
	// unknown is what a library tries first and does without when it is told that
	// the kernel does not know it. The arguments of clone3 and openat2 are in
	// memory, where a filter cannot look.
	unknown = []uint32{unix.SYS_CLONE3, unix.SYS_OPENAT2}
)
