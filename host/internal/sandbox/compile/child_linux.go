package compile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/sandbox/confine"
)

// Child compiles the module that it reads from in, into the working directory, and
// writes a report to out. The program calls it when it was started with
// Config.Argv; in any other process, it returns an error. It limits the whole
// process for good.
func Child(in io.Reader, out io.Writer) error {
	l, err := confine.Passed(marker)
	if err != nil {
		return err
	}
	report, err := confine.Enter(l)
	if err != nil {
		return err
	}
	r, err := work(in)
	if err != nil {
		return err
	}
	r.MemoryBytes, r.Confined = confine.PeakMemory(), report
	return json.NewEncoder(out).Encode(r)
}

// work reads a module and compiles it.
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

// attempt compiles an untrusted module.
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
