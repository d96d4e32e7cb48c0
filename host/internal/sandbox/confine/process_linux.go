package confine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self is this program's file, also after another took its name or it was
// removed.
const self = "/proc/self/exe"

// Process is a child. Its methods are safe for concurrent use.
type Process struct {
	pid    int
	cancel context.CancelFunc
	done   chan struct{} // closed when exit is set
	exit   Exit
	// peak is the child's resident memory right before it was killed. Written
	// by kill, which cmd.Wait waits for.
	peak int64
}

// Start starts a child, which is killed when ctx ends. The child leads a
// process group and does not outlive this process, however that ends.
func Start(ctx context.Context, s Spec) (*Process, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &Process{cancel: cancel, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(ctx, s, started)
	if err := <-started; err != nil {
		cancel()
		return nil, fmt.Errorf("confine: start child: %w", err)
	}
	return p, nil
}

// run starts the child and waits for it. The kernel kills a child when the
// thread that forked it ends: it is this one, which nobody else gets, and which
// waits in the kernel until the child is gone.
func (p *Process) run(ctx context.Context, s Spec, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer p.cancel()
	cmd := p.command(ctx, s)
	begin := time.Now()
	err := cmd.Start()
	if err == nil {
		p.pid = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	killGroup(p.pid)
	err = cmd.Wait()
	p.exit = Exit{Err: err, Code: -1, Wall: time.Since(begin), Memory: p.peak}
	if st := cmd.ProcessState; st != nil {
		p.exit.Code = st.ExitCode()
		p.exit.System = st.SystemTime()
		p.exit.CPU = st.UserTime() + p.exit.System
		if w, ok := st.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			p.exit.Signal = w.Signal()
		}
	}
	close(p.done)
}

func (p *Process) command(ctx context.Context, s Spec) *exec.Cmd {
	cmd := exec.CommandContext(ctx, self, s.Argv[1:]...)
	cmd.Args[0] = s.Argv[0]
	cmd.Dir = s.Dir
	cmd.Env = s.environ(os.Getpid())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Stdout, s.Stderr
	cmd.ExtraFiles = s.Files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		p.peak = statusBytes("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/status", "VmHWM")
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = time.Second // for output that somebody else holds open
	return cmd
}

// killGroup waits for a child's end and kills what is left of its group, while
// the child is not yet reaped and its number can be nobody else's.
func killGroup(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // most often there is nobody
}

// Pid is the child's number, also that of its group.
func (p *Process) Pid() int { return p.pid }

// Kill ends the child and its group. It does not wait.
func (p *Process) Kill() { p.cancel() }

// Done is closed when the child is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the child has ended, and returns how.
func (p *Process) Wait() Exit {
	<-p.done
	return p.exit
}

// statusBytes reads a size from a status file of proc; 0: not known.
func statusBytes(file, field string) int64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	return fieldBytes(data, field)
}

// ownStatus stays open, since Landlock lets nobody open it after Enter.
var ownStatus = sync.OnceValues(func() (*os.File, error) { return os.Open("/proc/self/status") })

// PeakMemory returns the most resident memory that this process has had, in
// bytes, also after Enter; 0: not known.
func PeakMemory() int64 {
	f, err := ownStatus()
	if err != nil {
		return 0
	}
	data := make([]byte, 8<<10)
	n, _ := f.ReadAt(data, 0) // ends before data does
	return fieldBytes(data[:n], "VmHWM")
}

// fieldBytes returns a size in a status.
func fieldBytes(status []byte, field string) int64 {
	for l := range strings.Lines(string(status)) {
		if name, value, ok := strings.Cut(l, ":"); ok && name == field {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
