package confine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/testnet"
)

// waiting starts a child that waits, and returns when it has entered.
func waiting(t *testing.T, ctx context.Context, s Spec) *Process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s.Argv, s.Marker, s.Stdout = []string{"t", idleEntry}, testMarker, w
	p, err := Start(ctx, s)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); p.Wait() })
	line, err := bufio.NewReader(r).ReadString('\n')
	if want := fmt.Sprintln(p.Pid(), nil); line != want {
		t.Fatalf("child says %q (%v), not %q", line, err, want)
	}
	return p
}

// gone reports whether there is no such process, or it is dead.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, after, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
}

// TestNoChildOutlivesTheHost: kill -9 of the host is the child's end. So it is
// where the program's file is gone.
func TestNoChildOutlivesTheHost(t *testing.T) {
	for _, how := range []string{"present", "removed"} {
		program := t.TempDir() + "/program"
		if err := copyFile(program, self); err != nil {
			t.Fatal(err)
		}
		host := exec.Command(program, hostEntry, how)
		out, err := host.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := host.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Fscanf(out, "%d <nil>\n", &pid); err != nil {
			t.Error(how, err)
		}
		if gone(pid) {
			t.Errorf("%s: child %d did not wait", how, pid)
		}
		if err := host.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = host.Wait()
		testnet.Eventually(t, how+": the child is gone", func() bool { return gone(pid) })
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// TestChildOutlivesTheThreadThatStartedIt: the kernel would kill it when the
// thread that forked it ended.
func TestChildOutlivesTheThreadThatStartedIt(t *testing.T) {
	started, tid := make(chan *Process), 0
	go func() {
		runtime.LockOSThread() // and do not unlock: the thread ends with the goroutine
		tid = unix.Gettid()
		started <- waiting(t, t.Context(), Spec{})
	}()
	p := <-started
	testnet.Eventually(t, "the thread is gone", func() bool {
		_, err := os.Stat("/proc/self/task/" + strconv.Itoa(tid))
		return err != nil || tid == os.Getpid() // the main thread never ends
	})
	if err := unix.Kill(p.Pid(), syscall.SIGHUP); err != nil || gone(p.Pid()) {
		t.Error("the child is gone", err)
	}
}

func TestChildEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := waiting(t, ctx, Spec{})
	cancel()
	if e := p.Wait(); e.Signal != syscall.SIGKILL || e.Code != -1 || e.Err == nil {
		t.Errorf("end %+v, want a kill, and the cause", e)
	}
	if _, err := Start(ctx, Spec{Argv: []string{"t", idleEntry}, Marker: testMarker}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestKill ends the child's group, and tells what the child has taken.
func TestKill(t *testing.T) {
	p := waiting(t, t.Context(), Spec{})
	other := exec.Command("sleep", "1000") // as if the child had started it
	other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: p.Pid()}
	if err := other.Start(); err != nil {
		t.Skip("there is no sleep to start:", err)
	}
	p.Kill()
	p.Kill()
	e := p.Wait()
	if e.Signal != syscall.SIGKILL || e.CPU <= 0 || e.Wall <= 0 || e.Memory < 1<<20 || e.Memory > 1<<30 {
		t.Errorf("end %+v, want a kill, times, and 1 MiB to 1 GiB of memory", e)
	}
	if err := other.Wait(); err == nil {
		t.Error("another process of the group was not killed")
	}
	select {
	case <-p.Done():
	default:
		t.Error("a process that was waited for is not done")
	}
}

// TestGroupEndsWithItsLeader, also if nobody kills it.
func TestGroupEndsWithItsLeader(t *testing.T) {
	p := waiting(t, t.Context(), Spec{})
	other := exec.Command("sleep", "1000")
	other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: p.Pid()}
	if err := other.Start(); err != nil {
		t.Skip("there is no sleep to start:", err)
	}
	if err := unix.Kill(p.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err == nil {
		t.Error("another process of the group was not killed")
	}
	if e := p.Wait(); e.Memory != 0 || e.Signal != syscall.SIGKILL {
		t.Errorf("end %+v, want a kill, and no memory that is known", e)
	}
}

// TestChildHasNothingButItsSpec: of environment and descriptors.
func TestChildHasNothingButItsSpec(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may look at the descriptors of a process that cannot be dumped")
	}
	t.Setenv("SECRET", "of the host")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	// As a careless host could leave one open.
	leak, err := syscall.Dup(int(w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak)
	p := waiting(t, t.Context(), Spec{Files: []*os.File{r}, GCMemory: 100 << 20, GCPercent: 50, Processors: 2})
	proc := "/proc/" + strconv.Itoa(p.Pid())
	environ, err := os.ReadFile(proc + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	want := append([]string{
		testMarker + "=" + Limits{Inherited: 1}.pass(os.Getpid()),
		"GOMAXPROCS=2", "GOGC=50", "GOTRACEBACK=none", "GOMEMLIMIT=104857600"}, raceEnviron[:]...)
	if got := strings.TrimSuffix(string(environ), "\x00"); got != strings.Join(want, "\x00") {
		t.Errorf("environment %q, not %q", got, want)
	}
	ours, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(r.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(proc + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		target, _ := os.Readlink(proc + "/fd/" + e.Name())
		n, _ := strconv.Atoi(e.Name())
		if n > 2 && (target == ours) != (n == 3) {
			t.Errorf("descriptor %d is %s", n, target)
		}
	}
	limits, _ := os.ReadFile(proc + "/limits")
	for _, want := range []string{"Max core file size        0 ", "Max open files            64 ", "Max file size             0 "} {
		if !strings.Contains(string(limits), want) {
			t.Errorf("no %q in\n%s", want, limits)
		}
	}
	if group, _ := syscall.Getpgid(p.Pid()); group != p.Pid() {
		t.Errorf("is in group %d", group)
	}
}

// TestNothingIsLeft of children that are gone: no goroutines, no descriptors.
func TestNothingIsLeft(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	run := func() {
		p, err := Start(t.Context(), Spec{Argv: []string{"t", childEntry, "signal to itself", "[]", "[]"}, Marker: testMarker, Stdout: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		if e := p.Wait(); e.Err != nil || e.Code != 0 {
			t.Errorf("end %+v, want code 0", e)
		}
	}
	run() // opens the poller's descriptors
	goroutines, files := runtime.NumGoroutine(), count()
	for range 10 {
		run()
	}
	testnet.Eventually(t, "no goroutine left", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := count(); n > files {
		t.Errorf("%d descriptors, %d before", n, files)
	}
}

func TestNice(t *testing.T) {
	before, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil || before <= 20-7 {
		t.Skipf("the test itself has low priority: %d (%v)", before, err)
	}
	p := waiting(t, t.Context(), Spec{Limits: Limits{Nice: 7}})
	tasks := "/proc/" + strconv.Itoa(p.Pid()) + "/task/"
	list, err := os.ReadDir(tasks)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		stat, _ := os.ReadFile(tasks + e.Name() + "/stat")
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 16 && fields[16] != "7" {
			t.Errorf("thread %s has nice %s", e.Name(), fields[16])
		}
	}
	if own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err != nil || own != before {
		t.Errorf("this process has priority %d (%v)", own, err)
	}
}

// TestYields: every thread of the child has a slice twice as long as ours, so that
// ours take its processor when they wake.
func TestYields(t *testing.T) {
	own, err := unix.SchedGetAttr(0, 0)
	if err != nil || own.Runtime == 0 {
		t.Skipf("this kernel knows no slice of a thread (%v)", err)
	}
	p := waiting(t, t.Context(), Spec{Limits: Limits{Yields: true}})
	list, err := os.ReadDir("/proc/" + strconv.Itoa(p.Pid()) + "/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if a, err := unix.SchedGetAttr(id, 0); err == nil && a.Runtime != 2*own.Runtime {
			t.Errorf("thread %d has a slice of %d ns, want %d", id, a.Runtime, 2*own.Runtime)
		}
	}
	if after, err := unix.SchedGetAttr(0, 0); err != nil || after.Runtime != own.Runtime {
		t.Errorf("this process has a slice of %d ns (%v), want %d", after.Runtime, err, own.Runtime)
	}
}

// BenchmarkStart is what a child costs until it is confined and gone.
func BenchmarkStart(b *testing.B) {
	all := `["rlimits","capabilities","no_new_privs","landlock","not dumpable","seccomp"]`
	for name, wanted := range map[string]string{"confined": all, "bare": "[]"} {
		b.Run(name, func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				p, err := Start(b.Context(), Spec{Argv: []string{"t", childEntry, "signal to itself", "[]", wanted}, Marker: testMarker})
				if err != nil {
					b.Fatal(err)
				}
				cpu += p.Wait().CPU
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}
