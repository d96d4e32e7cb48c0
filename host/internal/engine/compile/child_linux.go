package compile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Child compiles the module on in into the working directory and says on out
// how it went. The program calls it when it was started by Config.Argv; run by
// anybody else, it returns an error. It sets limits for the whole process,
// from which there is no way back.
func Child(in io.Reader, out io.Writer) error {
	l, err := parseLimits(os.Getenv(marker))
	if err != nil {
		return err
	}
	if err := closeInherited(); err != nil {
		return fmt.Errorf("inherited descriptors: %w", err)
	}
	if err := l.impose(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	r, err := work(in)
	if err != nil {
		return err
	}
	r.MemoryBytes = statusBytes("/proc/self/status", "VmHWM")
	return json.NewEncoder(out).Encode(r)
}

// work reads an order and compiles it.
func work(in io.Reader) (reply, error) {
	order, err := io.ReadAll(in)
	if err != nil {
		return reply{}, fmt.Errorf("module: %w", err)
	}
	if len(order) == 0 {
		return reply{}, errors.New("module: nothing on standard input")
	}
	var r reply
	if r.Sub, r.Probe, err = compileProbe("."); err != nil {
		return reply{}, fmt.Errorf("probe: %w", err)
	}
	o := Order{Wasm: order[1:], Stoppable: order[0] == 1}
	before := processorTime()
	r.Refused, r.Failed, r.Limit = attempt(o)
	r.CompileTime = processorTime() - before
	if r.Refused != "" || r.Failed != "" {
		return r, nil
	}
	r.Name, err = sole(r.Sub, []string{r.Probe})
	if err != nil && string(o.Wasm) == string(probeModule()) && !o.Stoppable {
		r.Name, err = r.Probe, nil
	}
	return r, err
}

// processorTime returns what this process has taken so far.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// attempt compiles what may be anything.
func attempt(o Order) (refused, failed, limit string) {
	defer func() {
		if p := recover(); p != nil {
			failed = line(fmt.Sprintf("compiler panics: %v", p), 512)
		}
	}()
	switch err := compileInto(".", o); {
	case err == nil:
		return "", "", ""
	case errors.Is(err, syscall.EFBIG):
		return "", "code is too large", "code"
	case errors.As(err, new(syscall.Errno)):
		return "", line(err.Error(), 512), "disk"
	default:
		return line(err.Error(), 512), "", ""
	}
}

// impose sets the limits of this process, for good: soft and hard ones are
// equal, so that the kernel ends it without asking.
func (l limits) impose() error {
	data := statusBytes("/proc/self/status", "VmData")
	if data <= 0 {
		return errors.New("size of the process is not known")
	}
	if err := standBack(int(l.nice)); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	debug.SetMaxStack(int(l.stack))
	syscall.Umask(0o077)
	for _, r := range []struct {
		resource int
		limit    int64
	}{
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_FSIZE, l.file},
		{unix.RLIMIT_CPU, l.cpu},
		{unix.RLIMIT_NOFILE, 64},
		// Address space says nothing about a Go program, which reserves far
		// more than it uses, and so does resident memory, which has no limit.
		// RLIMIT_DATA counts private writable mappings: the runtime makes them
		// in steps of 64 MiB when the heap grows, and dies where it may not.
		{unix.RLIMIT_DATA, data + l.data},
	} {
		limit := unix.Rlimit{Cur: uint64(r.limit), Max: uint64(r.limit)}
		if r.resource == unix.RLIMIT_CPU {
			// At the soft limit the kernel sends SIGXCPU, of which Go's runtime
			// dies and says so. At the hard one it kills, which by itself
			// tells nothing: it counts in ticks, not as wait4(2) does.
			limit.Max++
		}
		if err := unix.Setrlimit(r.resource, &limit); err != nil {
			return fmt.Errorf("resource %d: %w", r.resource, err)
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// standBack lowers the priority of the whole process, unless it is as low
// already: it could not be raised.
func standBack(niceness int) error {
	// The system call counts from 20 down to 1 where people count from 0 to 19.
	if priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-priority >= niceness {
		return err
	}
	// Of the group, which this process leads: "process" means one thread, on
	// Linux, and this is but one of several.
	return unix.Setpriority(unix.PRIO_PGRP, 0, niceness)
}

// closeInherited closes what came through exec: this process's own
// descriptors are marked to be closed by it.
func closeInherited() error {
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
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			err = unix.Close(fd)
		}
		if err != nil && !errors.Is(err, unix.EBADF) { // the listing's own is gone
			return err
		}
	}
	return nil
}

// statusBytes reads a size from a status file of proc; 0: not known.
func statusBytes(file, field string) int64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(l, ":"); ok && name == field {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
