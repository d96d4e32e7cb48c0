package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/host/internal/sandbox/worker/control"
	"idlehost/sdk/abi"
)

// The arguments with which the test binary becomes a child.
const (
	compileEntry = "compile-apart"
	workerEntry  = "worker"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case compileEntry:
			os.Exit(exitCode(compile.Child(os.Stdin, os.Stdout)))
		case workerEntry:
			os.Exit(exitCode(workerMain(os.Args[2], os.Args[3], os.Args[4])))
		}
	}
	code := m.Run()
	if code == 0 && compiler.dir != "" {
		if err := errors.Join(compiler.compiler.Close(), os.RemoveAll(compiler.dir)); err != nil {
			code = exitCode(err)
		}
	}
	os.Exit(code)
}

func exitCode(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// workerMain is a worker with another patience than the standard, unless it is "0s".
func workerMain(settings, question, start string) error {
	s, err := parseSettings(settings)
	q, err2 := time.ParseDuration(question)
	d, err3 := time.ParseDuration(start)
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	if q == 0 && d == 0 {
		return Main(settings, func() (string, error) { return "nothing is taken from a test", nil })
	}
	p := standard()
	if q > 0 {
		p.question = q
	}
	if d > 0 {
		p.start = func(engine.Budgets, int) time.Duration { return d }
	}
	return attach(s, p, "")
}

// compiler is the host's compiler, of all tests.
var compiler struct {
	once     sync.Once
	compiler *compile.Compiler
	dir      string
	err      error
}

// newCompiler returns it.
func newCompiler(t testing.TB) engine.Compiler {
	t.Helper()
	c := &compiler
	c.once.Do(func() {
		if c.dir, c.err = os.MkdirTemp("", "worker-child-"); c.err == nil {
			c.compiler, c.err = compile.New(context.Background(), compile.Config{Argv: []string{os.Args[0], compileEntry}, Dir: c.dir + "/code"})
		}
	})
	if c.err != nil {
		t.Fatal(c.err)
	}
	if c := c.compiler.Capability(); !c.Apart {
		t.Fatal(c)
	}
	return compile.Loader{Compiler: c.compiler}
}

// newHost returns the host's engine.
func newHost(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Config{Compiler: newCompiler(t), FuelPerSecond: unbounded})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// worker is a worker process, and the host's ends.
type worker struct {
	*control.Host
	ch     *channel.Host
	cmd    *exec.Cmd
	stderr *strings.Builder
	ended  chan struct{} // closed when the process is gone

	mu    sync.Mutex // guards the following field
	lines []string
}

// options are how a worker of a test differs.
type options struct {
	Settings
	question, start time.Duration // patience; 0: the standard
}

func startWorker(t testing.TB, o options) *worker {
	t.Helper()
	o.Code = newCompiler(t).Dir()
	mine, theirs, err := control.Socket()
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{stderr: new(strings.Builder), ended: make(chan struct{})}
	if w.ch, err = channel.Open(128); err != nil {
		t.Fatal(err)
	}
	sock, mem := w.ch.ChildFiles()
	w.cmd = exec.Command(os.Args[0], workerEntry, o.String(), o.question.String(), o.start.String())
	w.cmd.Env = []string{"GOMAXPROCS=2", "GOGC=off", "GOTRACEBACK=none", "GORACE=atexit_sleep_ms=0"}
	w.cmd.ExtraFiles = []*os.File{theirs, sock, mem}
	w.cmd.Stderr = w.stderr
	err = w.cmd.Start()
	for _, f := range w.cmd.ExtraFiles {
		_ = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Host = control.NewHost(mine, func(n uint32, level int, msg string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, fmt.Sprint(n, " ", level, " ", msg))
	})
	go func() {
		defer close(w.ended)
		_ = w.cmd.Wait()
	}()
	t.Cleanup(func() { w.end(t) })
	if _, err := w.Ready(t.Context()); err != nil {
		<-w.ended
		t.Fatal(err, w.stderr)
	}
	return w
}

// end lets go of the worker, which ends by itself.
func (w *worker) end(t testing.TB) {
	_ = w.ch.Close()
	_ = w.Host.Close()
	select {
	case <-w.ended:
	case <-time.After(time.Minute):
		_ = w.cmd.Process.Kill()
		t.Error("the worker goes on without a host")
		<-w.ended
	}
}

// signal returns what the worker has died of.
func (w *worker) signal() syscall.Signal {
	<-w.ended
	return w.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

// said returns the lines so far.
func (w *worker) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "\n")
}

// load has a worker load a source, as a host does.
func (w *worker) load(t testing.TB, e *engine.Engine, n uint32, src engine.Source) (control.Loaded, error) {
	t.Helper()
	p, err := lent(t, e, src)
	if err != nil {
		return control.Loaded{}, err
	}
	defer p.Release()
	return w.Load(t.Context(), n, p, src.State)
}

// lent prepares a policy, whose code is on loan.
func lent(t testing.TB, e *engine.Engine, src engine.Source) (p *engine.Prepared, err error) {
	t.Helper()
	err = e.Do(t.Context(), src, func(j *engine.Job) (err error) {
		if p, err = j.Prepare(); err == nil {
			err = j.Lend(p)
		}
		return err
	})
	return p, err
}

func (w *worker) mustLoad(t testing.TB, e *engine.Engine, n uint32, src engine.Source) control.Loaded {
	t.Helper()
	l, err := w.load(t, e, n, src)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ask asks a batch.
func (w *worker) ask(t testing.TB, qs ...*channel.Question) []channel.Answer {
	t.Helper()
	answers := make([]channel.Answer, len(qs))
	if err := w.ch.Exchange(qs, answers, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err, w.stderr)
	}
	return answers
}

// insist asks one question until it does not come back.
func (w *worker) insist(t testing.TB, q *channel.Question) channel.Answer {
	t.Helper()
	for {
		if a := w.ask(t, q)[0]; a.Fault != policy.FaultBusy {
			return a
		}
	}
}

// at returns a question at ms after some beginning.
func at(n uint32, kind abi.Kind, ms uint64) *channel.Question {
	return &channel.Question{Guest: n, Event: policy.Event{Kind: uint8(kind), NowMs: 1_700_000_000_000 + ms}}
}
