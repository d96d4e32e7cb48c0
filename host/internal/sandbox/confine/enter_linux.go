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

// Enter imposes l on the whole process, all of its threads, for good. Where the
// kernel, or what this process runs in, lacks a measure, Enter takes the others
// and reports that. After an error, the process should end.
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
		if !step.among(wanted) {
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

// step takes measures that come together.
type step struct {
	measures []Measure
	take     func(Limits) error
}

func (s step) among(wanted []Measure) bool {
	return slices.Contains(wanted, s.measures[0])
}

// steps are in an order in which each is still possible: what reads /proc is
// before Landlock, and seccomp is last.
var steps = []step{
	{[]Measure{Rlimits}, Limits.impose},
	{[]Measure{Capabilities}, func(Limits) error { return cap.NewSet().SetProc() }},
	{[]Measure{NoNewPrivs}, func(Limits) error { return landlock.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }},
	{[]Measure{Landlock, LandlockTCP, LandlockIPC}, Limits.restrictFiles},
	{[]Measure{NotDumpable}, func(Limits) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }},
	{[]Measure{Seccomp}, Limits.filterCalls},
}

// lacking reports whether an error says that there is no such measure here.
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

// dieWithParent has the kernel kill this process when the host dies. Start has
// asked for that, too, but the kernel forgets it where the program's file has
// capabilities of its own. One that is an orphan already is told so.
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

// closeInherited closes descriptors from first on that came through exec: this
// process's own are marked to be closed by it.
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
