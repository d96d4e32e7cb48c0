package child

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The signals of which a worker dies whose guest takes too much of the processor.
// Go's runtime has no use for either, as long as nobody takes a profile.
const (
	SignalQuestion = syscall.SIGVTALRM
	SignalStart    = syscall.SIGPROF
)

// watchdog is a timer of the kernel's on the processor time of one thread. When
// it expires, the kernel ends the process: no guest, and nothing of Go's runtime,
// can put that off.
type watchdog struct{ id int32 }

// sigevent is the kernel's, of 64-bit machines.
type sigevent struct {
	value  uint64
	signal int32
	notify int32
	_      [48]byte
}

// sigaction is the kernel's, of 64-bit machines.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// newWatchdog returns one for the calling thread, to which the goroutine is
// locked, which ends the process by signal.
func newWatchdog(signal syscall.Signal) (*watchdog, error) {
	var byDefault sigaction // which ends the process
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal), uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0); e != 0 {
		return nil, fmt.Errorf("action of %v: %w", signal, os.NewSyscallError("rt_sigaction", e))
	}
	w := new(watchdog)
	event := sigevent{signal: int32(signal)} // SIGEV_SIGNAL is 0
	if _, _, e := unix.RawSyscall(unix.SYS_TIMER_CREATE, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&w.id))); e != 0 {
		return nil, os.NewSyscallError("timer_create", e)
	}
	return w, w.arm(0)
}

// arm has the process end after the thread has run for d from now on; 0: not at
// all.
func (w *watchdog) arm(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if _, _, e := unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(w.id), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0); e != 0 {
		return os.NewSyscallError("timer_settime", e)
	}
	return nil
}

// watchdogs are those of the threads on which a goroutine has been. A thread of
// Go's runtime ends only with a goroutine that is locked to it; arming the watchdog
// of one that has ended fails.
type watchdogs struct {
	signal syscall.Signal
	known  map[uintptr]func(time.Duration) // arm them, by the kernel's number of the thread
}

func newWatchdogs(signal syscall.Signal) *watchdogs {
	return &watchdogs{signal: signal, known: map[uintptr]func(time.Duration){}}
}

// mine arms that of the calling thread, to which the goroutine is locked.
func (w *watchdogs) mine() (arm func(time.Duration), err error) {
	thread, _, _ := unix.RawSyscall(unix.SYS_GETTID, 0, 0, 0)
	if arm = w.known[thread]; arm != nil {
		return arm, nil
	}
	dog, err := newWatchdog(w.signal)
	if err != nil {
		return nil, err
	}
	arm = mustArm(dog)
	w.known[thread] = arm
	return arm, nil
}

// threadTime returns the processor time of the calling thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if _, _, e := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&t)), 0); e != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}
