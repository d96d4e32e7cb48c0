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

// run has a child of a priority compile o into stage, a folder in root. It
// returns when the child is gone, and whatever belonged to it.
func (c *childCompiler) run(ctx context.Context, stage string, o Order, nice int) (reply, Usage, error) {
	wall, cancel := context.WithTimeout(ctx, c.cfg.wall())
	defer cancel()
	allowed, collect := c.cfg.allow(o, c.unit)
	allowed.Nice, allowed.Yields = nice, true
	said, complained := &head{limit: maxReply}, &head{limit: maxReply}
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
	r, err := c.judge(ctx, wall, outcome{exit: exit, said: said.kept, complained: string(complained.kept), used: u, allowed: allowed})
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

// outcome is what is left of a child.
type outcome struct {
	exit       confine.Exit
	said       []byte
	complained string
	used       Usage
	allowed    confine.Limits
}

// judge tells how a child ended. Its limits are far above the gate's estimate for
// the module: a child that reaches them says that the machine is slower, or the
// estimate is lower, than it should be, and nothing against the module.
func (c *childCompiler) judge(ctx, wall context.Context, o outcome) (reply, error) {
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
	case outOfMemory(o.complained):
		return reply{}, busyError("memory", u, "took more than %s of memory, %d times what is expected, after %v", size(l.Memory), c.cfg.margin(), u)
	case strings.Contains(o.complained, "stack overflow"):
		return reply{}, busyError("memory", u, "took more than %s of stack, after %v", size(l.Stack), u)
	case e.Code != crashed:
		return reply{}, busyError("", u, "child failed: %v: %s", e.Err, line(o.complained, 256))
	}
	return reply{}, compileError("", u, "compiler crashed: %v: %s", e.Err, line(o.complained, 256))
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
