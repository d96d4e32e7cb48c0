package compile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/confine"
	"idlehost/host/internal/sandbox/gate"
)

// children lists the processes that this one has started as children of a
// Compiler, zombies included.
func children(t testing.TB, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// worker waits for a child that has set its limits.
func worker(t testing.TB, parent int) (pid int) {
	t.Helper()
	eventually(t, "a child at work", func() bool {
		for _, pid = range children(t, parent) {
			limits, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
			for l := range strings.Lines(string(limits)) {
				if strings.HasPrefix(l, "Max data size") && !strings.Contains(l, "unlimited") {
					return true
				}
			}
		}
		return false
	})
	return pid
}

func descriptors(t testing.TB) int { return len(files(t, "/proc/self/fd")) }

// TestBackstops: whatever a child runs into, it is gone then, nothing is left
// of it, and nothing is said against the module.
func TestBackstops(t *testing.T) {
	compiler := open(t, config(t))
	compile(t, compiler, Order{Wasm: plain(0)}).Close()
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	for _, tt := range []struct {
		name, limit string
		wasm        []byte
	}{
		{"500 loops over 500 locals", "cpu", nestedLoops(500, 500)},
		{"100,000 blocks", "cpu or memory", nestedBlocks(100_000)},
		{"br_table", "cpu", manyTargets(200_000)},
		{"200 M locals", "memory", manyLocals(200e6)},
		{"200 M imports", "memory", manyImports(200e6)},
		{"4 G imports", "memory", manyImports(4<<30 - 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Order{Wasm: tt.wasm} // as if the gate had seen nothing in it
			allowed, _ := compiler.cfg.allow(o, compiler.child.unit)
			_, err := compiler.Compile(t.Context(), o)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(tt.limit, e.Limit) || e.Limit == "" || e.Fault != policy.FaultBusy {
				t.Fatal(err)
			}
			// The kernel looks when it ticks, and the child takes time to die.
			if e.Usage.CPU > 2*cpuTime(allowed)+time.Second || e.Usage.MemoryBytes > allowed.Memory+64<<20 {
				t.Errorf("took %v", e.Usage)
			}
			want := map[string]string{"cpu": "more than 1s of processor time, 5 times what is expected", "memory": "more than 240 MiB of memory, 5 times"}
			if text := err.Error(); !strings.Contains(text, want[e.Limit]) || !strings.HasSuffix(text, "; try again") {
				t.Error(err)
			}
		})
	}
	if pids := children(t, os.Getpid()); len(pids) > 0 {
		t.Errorf("children left: %v", pids)
	}
	eventually(t, "no goroutine left", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := descriptors(t); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	if left := files(t, filepath.Dir(compiler.Dir())); len(left) != 2 { // code and lock
		t.Errorf("files left: %v", left)
	}
	compile(t, compiler, Order{Wasm: plain(1)})
}

// TestVerdictDoesNotDependOnTheMachine: the same module is compiled where
// children are slow for the effort that it is said to take, or is to be tried
// again; it is never refused.
func TestVerdictDoesNotDependOnTheMachine(t *testing.T) {
	o := Order{Wasm: nestedLoops(130, 130), Effort: 20 << 20}
	compile(t, open(t, config(t)), o)
	for name, tt := range map[string]struct {
		entry string
		order Order
		limit string
	}{
		"slow from the start":            {slowEntry, o, ""},
		"slow, but not when it is tried": {spinEntry, Order{Wasm: plain(1)}, "cpu"},
		"without a processor":            {stuckEntry, Order{Wasm: plain(1)}, "wall"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			cfg.Argv[1] = tt.entry
			compiler := open(t, cfg)
			if tt.limit == "wall" {
				compiler.child.cfg.Wall = 300 * time.Millisecond
			}
			c, err := compiler.Compile(t.Context(), tt.order)
			if err == nil {
				c.Close()
			}
			var e *Error
			if tt.limit == "" && err != nil || tt.limit != "" && (!errors.As(err, &e) || e.Limit != tt.limit || e.Fault != policy.FaultBusy) {
				t.Error(err)
			}
		})
	}
}

// TestAllowance: what a child may take follows from the effort, from how fast
// this machine has been, and from nothing else.
func TestAllowance(t *testing.T) {
	for _, tt := range []struct {
		effort uint64
		unit   time.Duration
		cpu    time.Duration // in whole seconds, rounded up
		data   int64
	}{
		{0, leastUnit, time.Second, 240 << 20},
		{70e6, leastUnit, 8 * time.Second, 5 * (48<<20 + 210e6)},
		{70e6, 10 * leastUnit, 71 * time.Second, 5 * (48<<20 + 210e6)},
		{96 << 20, leastUnit, 12 * time.Second, 5 * (48 + 288) << 20},
		{1 << 63, mostUnit, 10_995_118 * time.Second, 5 * (48<<20 + 3<<40)},
	} {
		l, collect := Config{}.allow(Order{Effort: tt.effort}, tt.unit)
		if cpuTime(l) != tt.cpu || l.Memory != tt.data || collect != tt.data*2/5 || l.Stack != tt.data/4 {
			t.Errorf("effort %d at %v: %v, %v of processor time, collects at %d", tt.effort, tt.unit, l, cpuTime(l), collect)
		}
	}
}

// TestTrialEffort: the trial costs what the gate says.
func TestTrialEffort(t *testing.T) {
	m, err := gate.Check(trialModule(), gate.Limits{}, gate.Contract{})
	if err != nil || m.Effort() != trialEffort {
		t.Fatal(m.Effort(), err)
	}
	if u := open(t, config(t)).Capability().Unit; u < leastUnit || u > mostUnit {
		t.Errorf("a unit takes %v", u)
	}
}

func TestCodeIsLimited(t *testing.T) {
	cfg := config(t)
	cfg.CodeBytes = 100 << 10
	compiler := open(t, cfg)
	compile(t, compiler, Order{Wasm: plain(1)})
	_, err := compiler.Compile(t.Context(), Order{Wasm: manyFuncs(2000)})
	var e *Error
	if !errors.As(err, &e) || e.Limit != "code" || e.Fault != policy.FaultCompile {
		t.Errorf("%v", err)
	}
}

// TestChildIsConfined by its limits, and by all measures that there are here.
func TestChildIsConfined(t *testing.T) {
	compiler := open(t, config(t))
	t.Setenv("COMPILE_TEST_CHILD", "must not be inherited")
	done := make(chan error, 1)
	go func() {
		_, err := compiler.Compile(t.Context(), endless(500))
		done <- err
	}()
	pid := worker(t, os.Getpid())
	limits, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
	for _, want := range []string{"Max core file size        0 ", "Max open files            64 ", "Max file size             67108864 "} {
		if !strings.Contains(string(limits), want) {
			t.Errorf("no %q in\n%s", want, limits)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := <-done; !errors.As(err, &e) || e.Limit != "" || e.Fault != policy.FaultBusy || !strings.Contains(err.Error(), "killed") {
		t.Errorf("after kill -9: %v", err)
	}
	compile(t, compiler, Order{Wasm: plain(1)})
	c := compiler.Capability()
	if !c.Confined.Has(confine.Rlimits) || len(c.Confined.Missing) == 0 && c.Warning() != "" {
		t.Errorf("%+v: %s", c.Confined, c.Warning())
	}
	for _, m := range c.Confined.Missing {
		t.Logf("this machine lacks %s: %s", m.Measure, m.Reason)
	}
	c.Confined = confine.Report{Missing: []confine.Missing{{Measure: confine.Landlock, Reason: "none here"}}}
	if w := c.Warning(); !strings.HasPrefix(w, "of the child that compiles policies, not in force: landlock (none here)") {
		t.Error(w)
	}
}

// TestChildIsKilledForWhatNoCompilerDoes, and the module is to blame.
func TestChildIsKilledForWhatNoCompilerDoes(t *testing.T) {
	cfg := config(t)
	cfg.Argv[1] = socketEntry
	compiler := open(t, cfg)
	if !compiler.Capability().Confined.Has(confine.Seccomp) {
		t.Skip("this machine has no seccomp")
	}
	_, err := compiler.Compile(t.Context(), Order{Wasm: plain(1)})
	var e *Error
	if !errors.As(err, &e) || e.Fault != policy.FaultCompile || !strings.Contains(err.Error(), "system call") {
		t.Error(err)
	}
}

func TestCloseEndsChildren(t *testing.T) {
	cfg := config(t)
	compiler := open(t, cfg)
	done := make(chan error, 1)
	go func() {
		_, err := compiler.Compile(t.Context(), endless(500))
		done <- err
	}()
	worker(t, os.Getpid())
	if err := compiler.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if pids := children(t, os.Getpid()); len(pids) > 0 {
		t.Errorf("children left: %v", pids)
	}
}

func TestQueueIsBounded(t *testing.T) {
	cfg := config(t)
	cfg.Queue = 1
	compiler := open(t, cfg)
	slow := func(n int) chan error {
		done := make(chan error, 1)
		go func() {
			o := endless(n)
			o.Owner = strconv.Itoa(n)
			_, err := compiler.Compile(t.Context(), o)
			done <- err
		}()
		return done
	}
	first := slow(500)
	worker(t, os.Getpid())
	second := slow(501)
	eventually(t, "one waits", func() bool { compiler.mu.Lock(); defer compiler.mu.Unlock(); return compiler.waiting == 1 })
	_, err := compiler.Compile(t.Context(), Order{Wasm: plain(1), Owner: "third"})
	var e *Error
	if !errors.As(err, &e) || e.Limit != "queue" || e.Fault != policy.FaultBusy {
		t.Errorf("%v", err)
	}
	compiler.Close()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
	if err := <-second; !errors.Is(err, ErrClosed) {
		t.Errorf("second: %v", err)
	}
}

// TestOwnersTakeTurns: while a child of one owner's runs, the operator's module
// is compiled, and of two owners that wait, the one with the small module goes
// first though it came last.
func TestOwnersTakeTurns(t *testing.T) {
	compiler := open(t, config(t))
	ended := make(chan string, 3)
	compile := func(owner string, o Order) {
		go func() {
			o.Owner = owner
			code, err := compiler.Compile(t.Context(), o)
			if err == nil {
				code.Close()
			}
			ended <- owner
		}()
	}
	waits := func(n int) {
		t.Helper()
		eventually(t, "waiting", func() bool { compiler.mu.Lock(); defer compiler.mu.Unlock(); return compiler.waiting == n })
	}
	compile("long", endless(500))
	pid := worker(t, os.Getpid())
	compile("large", endless(501)) // takes a minute: nobody waits for it
	waits(1)
	compile("small", Order{Wasm: plain(2)})
	waits(2)
	code, err := compiler.Compile(t.Context(), Order{Wasm: plain(3)})
	if err != nil {
		t.Fatalf("the operator's: %v", err)
	}
	code.Close()
	waits(2)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if owner := <-ended; owner == "large" {
			t.Error("the large module went first")
		}
	}
	compiler.Close()
	<-ended
}

// TestNobodyWaits: whoever leaves the queue takes the work along.
func TestNobodyWaits(t *testing.T) {
	cfg := config(t)
	compiler := open(t, cfg)
	o := endless(500)
	o.Owner = "a"
	go func() { _, _ = compiler.Compile(t.Context(), o) }()
	pid := worker(t, os.Getpid())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := compiler.Compile(ctx, Order{Wasm: plain(1), Owner: "b"}); done <- err }()
	eventually(t, "one waits", func() bool { compiler.mu.Lock(); defer compiler.mu.Unlock(); return compiler.waiting == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is being made", func() bool { compiler.mu.Lock(); defer compiler.mu.Unlock(); return len(compiler.compilations) == 0 })
	if list := files(t, cfg.Dir+"/"+entries); len(list) != 0 {
		t.Errorf("compiled for nobody: %v", list)
	}
}

// TestChildStandsBack with all of its threads.
func TestChildStandsBack(t *testing.T) {
	cfg := config(t)
	before, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil || before <= 20-niceness {
		t.Skipf("the test itself stands back: %d (%v)", before, err)
	}
	compiler := open(t, cfg)
	compiler.LowerPriority()
	done := make(chan struct{})
	go func() { defer close(done); _, _ = compiler.Compile(t.Context(), endless(500)) }()
	tasks := "/proc/" + strconv.Itoa(worker(t, os.Getpid())) + "/task/"
	for _, tid := range files(t, tasks) {
		stat, _ := os.ReadFile(tasks + tid + "/stat")
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 16 && fields[16] != strconv.Itoa(niceness) {
			t.Errorf("thread %s has nice %s", tid, fields[16])
		}
	}
	if own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err != nil || own != before {
		t.Errorf("this process has priority %d (%v)", own, err)
	}
	compiler.Close()
	<-done
}

// TestLastOneOutEndsTheChild, and is told what it took, which whoever left
// before is not.
func TestLastOneOutEndsTheChild(t *testing.T) {
	cfg := config(t)
	l := Loader{open(t, cfg)}
	compile := func(ctx context.Context) chan time.Duration {
		took := make(chan time.Duration, 1)
		go func() {
			_, cpu, err := l.Compile(ctx, "a", endless(500).Wasm, endless(500).Effort)
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			took <- cpu
		}()
		return took
	}
	wait := func(n int) {
		eventually(t, "interests in the piece", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, p := range l.compilations {
				return p.refs == n
			}
			return n == 0
		})
	}
	one, leaveOne := context.WithCancel(t.Context())
	two, leaveTwo := context.WithCancel(t.Context())
	first, second := compile(one), compile(two)
	wait(2)
	pid := worker(t, os.Getpid())
	leaveOne()
	if cpu := <-first; cpu != 0 || len(children(t, os.Getpid())) != 1 {
		t.Errorf("the first one out was told %v", cpu)
	}
	eventually(t, "a child that has worked", func() bool {
		stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		return len(fields) > 11 && len(fields[11]) > 1 // ten ticks of 10 ms
	})
	leaveTwo()
	if cpu := <-second; cpu < 50*time.Millisecond {
		t.Errorf("the last one out was told %v", cpu)
	}
	if pids := children(t, os.Getpid()); len(pids) > 0 {
		t.Errorf("children left: %v", pids)
	}
	wait(0)
	c, cpu, err := l.Compile(t.Context(), "a", plain(1), 0)
	if err != nil || cpu <= 0 {
		t.Fatalf("a good module: %v, %v", cpu, err)
	}
	c()
	if c, cpu, err = l.Compile(t.Context(), "a", plain(1), 0); err != nil || cpu != 0 {
		t.Fatalf("out of the cache: %v, %v", cpu, err)
	}
	c()
	if _, cpu, err = l.Compile(t.Context(), "a", []byte("nonsense"), 0); err == nil || cpu <= 0 {
		t.Errorf("what fails: %v, %v", cpu, err)
	}
}
