package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// apart gives a program a process group of its own.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(group int) error {
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("kill process group %d: %w", group, err)
	}
	return nil
}

// members lists the processes of a group.
func members(group int) (pids []int, err error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue // it has ended since
		}
		if g, zombie := groupOf(string(stat)); g != group || zombie {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("no process left of group %d", group)
	}
	return pids, nil
}

// groupOf reads the group out of /proc/PID/stat (proc(5)), whose second field
// may contain anything.
func groupOf(stat string) (group int, zombie bool) {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 3 {
		return 0, false
	}
	group, _ = strconv.Atoi(f[2])
	return group, f[0] == "Z"
}

// usage sums up what the processes of a group have taken: processor time, user
// and kernel, and resident bytes. One that ends meanwhile, as a child does that
// is about to have a group of its own, is left out.
func usage(group int) (cpu time.Duration, rss int64, err error) {
	pids, err := members(group)
	if err != nil {
		return 0, 0, err
	}
	counted := 0
	for _, pid := range pids {
		c, n, err := usageOf(pid)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ESRCH) || errors.Is(err, fs.ErrNotExist) {
			continue // it has ended since; EINVAL is what a clock says then
		}
		if err != nil {
			return 0, 0, fmt.Errorf("process %d: %w", pid, err)
		}
		cpu, rss, counted = cpu+c, rss+n, counted+1
	}
	if counted == 0 {
		return 0, 0, fmt.Errorf("no process left of group %d", group)
	}
	return cpu, rss, nil
}

// usageOf returns what one process has taken.
func usageOf(pid int) (cpu time.Duration, rss int64, err error) {
	// clock_getcpuclockid(3): the complement of the process number, shifted,
	// over CPUCLOCK_SCHED. Exact to the nanosecond, where /proc counts ticks.
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err != nil {
		return 0, 0, fmt.Errorf("processor clock: %w", err)
	}
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	rss, err = resident(string(smaps))
	return time.Duration(ts.Nano()), rss, err
}

// resident reads Rss out of /proc/PID/smaps_rollup.
func resident(smaps string) (int64, error) {
	for line := range strings.Lines(smaps) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "Rss:" && f[2] == "kB" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no Rss in smaps_rollup")
}

// lateBind lets the kernel choose a socket's port when it knows the other end,
// so that each source address has its ports once for each destination.
func lateBind(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}); e != nil {
		return e
	}
	return err
}

// descriptors is how many a process may have open.
func descriptors() (int, error) {
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	return int(min(r.Max, 1<<20)), err
}

// machine describes where the figures come from.
func machine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown machine"
	}
	text, _ := os.ReadFile("/proc/cpuinfo") // nothing: the model is left out
	model := "unknown processor"
	for line := range strings.Lines(string(text)) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(v)
			break
		}
	}
	return model + ", Linux " + unix.ByteSliceToString(u.Release[:])
}
