package compile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"

	"idlehost/host/internal/sandbox/confine"
)

// niceness is that of a child while the host serves requests: at 10, a thread gets
// a tenth of a processor that it shares with one of the host's.
const niceness = 10

// run starts a child at a priority, which compiles o into stage, a folder in root.
// It returns when the child and its process group have ended.
func (c *childCompiler) run(ctx context.Context, stage string, o Order, nice int) (reply, Usage, error) {
	wall, cancel := context.WithTimeout(ctx, c.cfg.wall())
	defer cancel()
	allowed, collect := c.cfg.allow(o, c.unit)
	allowed.Nice, allowed.Yields = nice, true
	said, complained := &limitedBuffer{limit: maxReply}, &limitedBuffer{limit: maxReply}
	p, err := confine.Start(wall, confine.Spec{
		Argv: c.cfg.Argv, Marker: marker, Limits: allowed,
		Dir:   filepath.Join(c.path, stage),
		Stdin: o.reader(), Stdout: said, Stderr: complained,
		GCMemory: collect,
	})
	if err != nil {
		return reply{}, Usage{}, busyError("", Usage{}, "child did not start: %v", err)
	}
	exit := p.Wait()
	u := Usage{Wall: exit.Wall, CPU: exit.CPU, MemoryBytes: exit.Memory}
	r, err := c.judge(ctx, wall, childResult{exit: exit, stdout: said.kept, stderr: string(complained.kept), used: u, allowed: allowed})
	u.MemoryBytes = max(u.MemoryBytes, r.MemoryBytes)
	return r, u, err
}

// reader returns the order as a child reads it: one byte, then the module.
func (o Order) reader() io.Reader {
	flag := []byte{0}
	if o.Stoppable {
		flag[0] = 1
	}
	return io.MultiReader(bytes.NewReader(flag), bytes.NewReader(o.Wasm))
}

// childResult is how a child ended, and what it wrote.
type childResult struct {
	exit    confine.Exit
	stdout  []byte
	stderr  string
	used    Usage
	allowed confine.Limits
}

// judge turns the end of a child into a reply or an error. The child's limits are
// far above the gate's estimate for the module: if it reaches them, the machine is
// slower, or the estimate lower, than it should be. That is no fault of the module.
func (c *childCompiler) judge(ctx, wall context.Context, o childResult) (reply, error) {
	u, l, e := o.used, o.allowed, o.exit
	switch {
	case e.Err == nil:
		return c.read(o)
	case ctx.Err() != nil:
		return reply{}, fmt.Errorf("compile: child was ended: %w", ctx.Err())
	case wall.Err() != nil:
		return reply{}, busyError("wall", u, "took longer than %v: %v", c.cfg.wall(), u)
	case e.Code == 0:
		return reply{}, busyError("", u, "child: %v", e.Err)
	case e.Signal == syscall.SIGKILL && u.CPU >= cpuTime(l)*3/4: // the kernel counts whole ticks for this limit
		return reply{}, busyError("cpu", u, "took more than %v of processor time, %d times what is expected: %v", cpuTime(l), c.cfg.margin(), u)
	case e.Signal == syscall.SIGSYS:
		return reply{}, compileError("", u, "compiler made a system call that it has no use for")
	case e.Signal != 0:
		return reply{}, busyError("", u, "child was killed: %v, after %v", e.Signal, u)
	case outOfMemory(o.stderr):
		return reply{}, busyError("memory", u, "took more than %s of memory, %d times what is expected, after %v", size(l.Memory), c.cfg.margin(), u)
	case strings.Contains(o.stderr, "stack overflow"):
		return reply{}, busyError("memory", u, "took more than %s of stack, after %v", size(l.Stack), u)
	case e.Code != crashed:
		return reply{}, busyError("", u, "child failed: %v: %s", e.Err, line(o.stderr, 256))
	}
	return reply{}, compileError("", u, "compiler crashed: %v: %s", e.Err, line(o.stderr, 256))
}

// crashed is the exit code of a Go program that dies of an error of its own.
const crashed = 2

// read returns the reply of a child that ended well.
func (c *childCompiler) read(o childResult) (reply, error) {
	r, err := parseReply(o.stdout)
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

// limitedBuffer keeps the first bytes that are written to it, and drops the rest.
type limitedBuffer struct {
	limit int
	kept  []byte
}

func (h *limitedBuffer) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(h.limit-len(h.kept), len(p))]...)
	return len(p), nil
}
