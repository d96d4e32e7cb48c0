package compile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// self is this program's file, also after another took its name.
const self = "/proc/self/exe"

// niceness is that of a child while the host serves requests: at 10, a thread gets
// a tenth of a processor that it shares with one of the host's.
const niceness = 10

// run has a child of a priority compile o into stage, a folder in root. It
// returns when the child is gone, and whatever belonged to it.
func (c *childCompiler) run(ctx context.Context, stage string, o Order, nice int64) (reply, Usage, error) {
	// The child dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wall, cancel := context.WithTimeout(ctx, c.cfg.wall())
	defer cancel()
	allowed, collect := c.cfg.allow(o, c.unit)
	allowed.nice = nice
	said, complained := &head{limit: maxReply}, &head{limit: maxReply}
	var peak int64
	cmd := exec.CommandContext(wall, self, c.cfg.Argv[1:]...)
	cmd.Args[0] = c.cfg.Argv[0]
	cmd.Dir = filepath.Join(c.path, stage)
	cmd.Env = allowed.environ(collect)
	cmd.Stdin = o.reader()
	cmd.Stdout, cmd.Stderr = said, complained
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		peak = statusBytes("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/status", "VmHWM")
		return kill(cmd.Process)
	}
	cmd.WaitDelay = time.Second

	begin := time.Now()
	err := cmd.Run()
	if cmd.Process == nil {
		return reply{}, Usage{}, busyError("", Usage{}, "child did not start: %v", err)
	}
	u := Usage{Wall: time.Since(begin), MemoryBytes: peak}
	if st := cmd.ProcessState; st != nil {
		u.CPU = st.UserTime() + st.SystemTime()
	}
	r, err := c.judge(ctx, wall, outcome{err: err, said: said.kept, complained: string(complained.kept), used: u, allowed: allowed})
	u.MemoryBytes = max(u.MemoryBytes, r.MemoryBytes)
	return r, u, err
}

// kill ends a child and the group that it leads.
func kill(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// environ is all that a child gets: nothing of ours, and a runtime that uses
// one processor and collects garbage only when it must.
func (l limits) environ(collect int64) []string {
	return append([]string{
		marker + "=" + l.String(),
		"GOMAXPROCS=1",
		"GOGC=off",
		"GOMEMLIMIT=" + strconv.FormatInt(collect, 10),
		"GOTRACEBACK=none",
	}, environment[:]...)
}

// reader returns the order as a child reads it: one byte, then the module.
func (o Order) reader() io.Reader {
	flag := []byte{0}
	if o.Stoppable {
		flag[0] = 1
	}
	return io.MultiReader(bytes.NewReader(flag), bytes.NewReader(o.Wasm))
}

// outcome is what is left of a child.
type outcome struct {
	err        error
	said       []byte
	complained string
	used       Usage
	allowed    limits
}

// judge tells how a child ended. Its limits are far above the gate's estimate for
// the module: a child that reaches them says that the machine is slower, or the
// estimate is lower, than it should be, and nothing against the module.
func (c *childCompiler) judge(ctx, wall context.Context, o outcome) (reply, error) {
	u, l := o.used, o.allowed
	var exit *exec.ExitError
	switch {
	case o.err == nil:
		return c.read(o)
	case ctx.Err() != nil:
		return reply{}, fmt.Errorf("compile: child was ended: %w", ctx.Err())
	case wall.Err() != nil:
		return reply{}, busyError("wall", u, "took longer than %v: %v", c.cfg.wall(), u)
	case !errors.As(o.err, &exit):
		return reply{}, busyError("", u, "child: %v", o.err)
	case strings.Contains(o.complained, "SIGXCPU"),
		signal(exit) == syscall.SIGKILL && u.CPU >= l.cpuTime()*3/4: // the kernel counts whole ticks for this limit
		return reply{}, busyError("cpu", u, "took more than %v of processor time, %d times what is expected: %v", l.cpuTime(), c.cfg.margin(), u)
	case signal(exit) != 0:
		return reply{}, busyError("", u, "child was killed: %v, after %v", signal(exit), u)
	case outOfMemory(o.complained):
		return reply{}, busyError("memory", u, "took more than %s of memory, %d times what is expected, after %v", size(l.data), c.cfg.margin(), u)
	case strings.Contains(o.complained, "stack overflow"):
		return reply{}, busyError("memory", u, "took more than %s of stack, after %v", size(l.stack), u)
	case exit.ExitCode() != crashed:
		return reply{}, busyError("", u, "child failed: %v: %s", exit, line(o.complained, 256))
	}
	return reply{}, compileError("", u, "compiler crashed: %v: %s", exit, line(o.complained, 256))
}

// crashed is the exit code of a Go program that dies of an error of its own.
const crashed = 2

// read takes the reply of a child that ended well.
func (c *childCompiler) read(o outcome) (reply, error) {
	r, err := parseReply(o.said)
	switch {
	case err != nil:
		return reply{}, busyError("", o.used, "child answered nonsense: %v", err)
	case r.Refused != "":
		return reply{}, refuse(o.used, line(r.Refused, 512))
	case r.Limit == "code":
		return reply{}, compileError("code", o.used, "compiled code has more than %s", size(c.cfg.codeBytes()))
	case r.Limit == "disk":
		return reply{}, busyError("disk", o.used, "%s", line(r.Failed, 512))
	case r.Failed != "":
		return reply{}, compileError("", o.used, "%s", line(r.Failed, 512))
	}
	return r, nil
}

func signal(exit *exec.ExitError) syscall.Signal {
	if st, ok := exit.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return st.Signal()
	}
	return 0
}

// outOfMemory recognises the last words of a Go program, or of the C library
// below it, that was refused memory.
func outOfMemory(stderr string) bool {
	for _, words := range []string{
		"out of memory", "cannot allocate memory", "cannot map pages", "cannot reserve", "failed to create new OS thread",
		"Cannot allocate memory", "failed to allocate", "pthread_create failed",
	} {
		if strings.Contains(stderr, words) {
			return true
		}
	}
	return false
}

// head keeps the first bytes of what is written, and lets the rest go.
type head struct {
	limit int
	kept  []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(h.limit-len(h.kept), len(p))]...)
	return len(p), nil
}
