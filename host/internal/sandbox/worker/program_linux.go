package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"idlehost/host/internal/sandbox/confine"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/host/internal/sandbox/worker/child"
	"idlehost/host/internal/sandbox/worker/control"
)

// Supported reports whether there are workers on this system.
const Supported = true

// readyPatience is how long a process that was started may take to be ready.
const readyPatience = 30 * time.Second

// Start begins a worker process, and waits until it is ready. ctx bounds that
// alone.
func (p *Program) Start(ctx context.Context, say Says) (Process, error) {
	r := &running{program: p, ended: make(chan struct{})}
	if err := r.start(say); err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	warning, err := r.Host.Ready(patience)
	if err != nil {
		discard(r)
		return nil, fmt.Errorf("worker not ready: %w%s", err, r.complaint())
	}
	p.lacks(warning)
	return r, nil
}

// running is a process that runs this program.
type running struct {
	*control.Host
	program *Program
	channel *channel.Host
	child   *confine.Process
	said    tail
	starved int // processes that the kernel had ended for want of memory before it
	ended   chan struct{}
	ending  Ending       // written before ended is closed
	exit    confine.Exit // the same
	closing sync.Once
}

func (r *running) start(say Says) (err error) {
	mine, theirs, err := control.Socket()
	if err != nil {
		return err
	}
	defer theirs.Close() // while the host has it, it does not see the worker end
	if r.channel, err = channel.Open(batchSize); err != nil {
		return errors.Join(err, mine.Close())
	}
	sock, mem := r.channel.ChildFiles()
	defer sock.Close()
	defer mem.Close()
	r.starved = starved()
	settings := r.program.Settings()
	r.child, err = confine.Start(context.Background(), confine.Spec{
		Argv:   append(slices.Clone(r.program.Argv), settings.String()),
		Marker: marker,
		Limits: confine.Limits{Read: []string{settings.Code}, Yields: true},
		Stderr: &r.said, Files: []*os.File{theirs, sock, mem}, Processors: 2,
	})
	if err != nil {
		return errors.Join(err, mine.Close(), r.channel.Close())
	}
	r.Host = control.NewHost(mine, say)
	go r.watch() // until the child has ended, which Kill sees to
	return nil
}

// watch waits for the end, and brings it about where the control socket says that
// the worker has gone, or makes no sense. What it has said is read then: of which
// guest it was making an instance, above all.
func (r *running) watch() {
	defer close(r.ended)
	first, second := r.child.Done(), r.Gone()
	select {
	case <-first:
	case <-second:
		first, second = second, first
	}
	select {
	case <-second:
	case <-time.After(goodbye):
	}
	nonsense := errors.Is(r.Host.Err(), control.ErrNonsense)
	r.child.Kill()
	exit := r.child.Wait()
	r.exit = exit
	switch {
	case nonsense:
		r.ending = EndProtocol
	default:
		r.ending = endingOf(exit, starved() > r.starved, r.said.String())
	}
	if r.ending == EndCrash {
		r.program.logger().Error("worker failed", "exit", exit.Code, "signal", int(exit.Signal), "says", r.said.String())
	}
}

// goodbye is how long a process may take to end that has closed its socket, and
// what it has said to be read, once it has ended.
const goodbye = time.Second

// endingOf says why a process has ended that said so much. starved: the kernel has
// ended some meanwhile for want of memory, this one first of all: see confine.
func endingOf(exit confine.Exit, starved bool, said string) Ending {
	switch {
	case exit.Signal == child.SignalQuestion:
		return EndQuestion
	case exit.Signal == child.SignalStart:
		return EndLoad
	case exit.Signal == syscall.SIGKILL && starved, strings.Contains(said, "out of memory"):
		return EndMemory
	case exit.Signal == syscall.SIGKILL:
		return EndKilled
	}
	return EndCrash
}

// starved returns how many processes the kernel has ended for want of memory; 0: it
// does not tell.
func starved() int {
	text, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "\noom_kill ")
	line, _, _ := strings.Cut(after, "\n")
	n, _ := strconv.Atoi(line)
	return n
}

// complaint is what a process said that was not ready.
func (r *running) complaint() string {
	if said := r.said.String(); said != "" {
		return fmt.Sprintf(": it says %.300q", said)
	}
	return ""
}

// Fit implements Process.
func (r *running) Fit(qs []*channel.Question) int { return r.channel.Fit(qs) }

// Exchange implements Process.
func (r *running) Exchange(qs []*channel.Question, as []channel.Answer, deadline time.Time) error {
	return r.channel.Exchange(qs, as, deadline)
}

// Running implements Process.
func (r *running) Running() (index int, ok bool) { return r.channel.Running() }

// Starting implements Process.
func (r *running) Starting() (n uint32, ok bool) { return r.channel.Starting() }

// Kill implements Process.
func (r *running) Kill() { r.child.Kill() }

// Ended implements Process.
func (r *running) Ended() <-chan struct{} { return r.ended }

// Ending implements Process.
func (r *running) Ending() Ending { return r.ending }

// Usage implements Process.
func (r *running) Usage() (user, system time.Duration) {
	return r.exit.CPU - r.exit.System, r.exit.System
}

// Close implements Process.
func (r *running) Close() (err error) {
	r.closing.Do(func() { err = errors.Join(r.Host.Close(), r.channel.Close()) })
	return err
}

var _ Process = (*running)(nil)
