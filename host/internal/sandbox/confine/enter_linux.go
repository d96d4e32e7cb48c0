package confine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// Enter imposes l on all threads of the process, for good. If the kernel or the
// container lacks a measure, Enter takes the others and reports the lack. After an
// error, the process should end.
func Enter(l Limits) (Report, error) { return enter(l, measures) }

// enter takes those of the measures that are wanted.
func enter(l Limits, wanted []Measure) (Report, error) {
	if err := closeInherited(3 + l.Inherited); err != nil {
		return Report{}, fmt.Errorf("confine: inherited descriptors: %w", err)
	}
	if err := dieWithParent(l.parent); err != nil {
		return Report{}, fmt.Errorf("confine: %w", err)
	}
	if _, err := ownStatus(); err != nil {
		return Report{}, fmt.Errorf("confine: %w", err)
	}
	var r Report
	for _, step := range steps {
		if !step.wanted(wanted) {
			continue
		}
		err := step.take(l)
		if err != nil && !lacking(err) {
			return r, fmt.Errorf("confine: %s: %w", step.measures[0], err)
		}
		for _, m := range step.measures {
			if err == nil && m.available() {
				r.InForce = append(r.InForce, m)
				continue
			}
			r.Missing = append(r.Missing, Missing{m, reason(err)})
		}
	}
	return r, nil
}

// measureStep takes measures that come together.
type measureStep struct {
	measures []Measure
	take     func(Limits) error
}

func (s measureStep) wanted(wanted []Measure) bool {
	return slices.Contains(wanted, s.measures[0])
}

// steps are in an order in which each is still possible: what reads /proc is
// before Landlock, and seccomp is last.
var steps = []measureStep{
	{[]Measure{Rlimits}, Limits.impose},
	{[]Measure{Capabilities}, func(Limits) error { return cap.NewSet().SetProc() }},
	{[]Measure{NoNewPrivs}, func(Limits) error { return landlock.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }},
	{[]Measure{Landlock, LandlockTCP, LandlockIPC}, Limits.restrictFiles},
	{[]Measure{NotDumpable}, func(Limits) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }},
	{[]Measure{Seccomp}, Limits.filterCalls},
}

// lacking reports whether an error says that the system lacks a measure.
func lacking(err error) bool {
	for _, e := range []error{unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM, errors.ErrUnsupported} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func reason(err error) string {
	if err == nil {
		return "the kernel is too old for it"
	}
	return err.Error()
}

// dieWithParent tells the kernel to kill this process when the host dies. Start has
// asked for that, too, but the kernel forgets it if the program's file has
// capabilities. If the host is gone already, dieWithParent fails.
func dieWithParent(parent int) error {
	if parent == 0 {
		return nil
	}
	if err := landlock.AllThreadsPrctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	if os.Getppid() != parent {
		return errors.New("the host is gone")
	}
	return nil
}

// closeInherited closes the inherited descriptors from first on. This process's own
// are recognised by their close-on-exec flag.
func closeInherited(first int) error {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		switch {
		case err == nil && flags&unix.FD_CLOEXEC == 0 && fd >= first:
			err = unix.Close(fd)
		case err == nil && fd < first:
			syscall.CloseOnExec(fd)
		}
		if err != nil && !errors.Is(err, unix.EBADF) { // the listing's own is gone
			return err
		}
	}
	return nil
}
