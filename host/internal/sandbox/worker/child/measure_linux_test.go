package child

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/host/internal/testnet"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

// TestRestingWorkerIsSmall: with guests that nobody asks, after those that have
// been unloaded.
func TestRestingWorkerIsSmall(t *testing.T) {
	if raceSlow {
		t.Skip("measures memory")
	}
	const most = 12 << 20
	e, w := newHost(t), startWorker(t, options{})
	for n, name := range plugins.Names() {
		wasm, _ := plugins.Lookup(name)
		w.mustLoad(t, e, uint32(n), engine.Source{Name: name, Wasm: wasm})
	}
	for n := range uint32(20) {
		w.mustLoad(t, e, 1000+n, source(constant(int64(n))))
		if n%2 == 0 {
			if err := w.Unload(1000 + n); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.mustLoad(t, e, 2000, source(large()))
	if err := w.Unload(2000); err != nil {
		t.Fatal(err)
	}
	var pss int
	testnet.Eventually(t, "a resting worker has at most 12 MiB", func() bool {
		pss = proportional(t, w.cmd.Process.Pid)
		return pss <= most
	})
	t.Logf("%d KiB", pss>>10)
}

// large has some megabytes of code.
func large() wasmtest.Module {
	sum := wasmtest.Const64(1)
	for range 1000 {
		sum = append(append(sum, wasmtest.Load64(8)...), wasmtest.Add64()...)
	}
	funcs := make([]wasmtest.Func, 200)
	for i := range funcs {
		funcs[i].Body = wasmtest.Code(sum, wasmtest.Drop())
	}
	return wasmtest.Guest(funcs...)
}

// TestWorkerDoesNotGrowOfWhatItTells: what guests have learned is copied and told
// time and again.
func TestWorkerDoesNotGrowOfWhatItTells(t *testing.T) {
	if raceSlow {
		t.Skip("measures memory")
	}
	const most = 64 << 20
	e, w := newHost(t), startWorker(t, options{})
	m := wasmtest.Guest(wasmtest.Returns("state_region", engine.MaxState<<32|64<<10))
	m.Pages = 4
	w.mustLoad(t, e, 1, source(m))
	for range 3000 {
		if s, err := w.State(t.Context(), 1); err != nil || len(s.Bytes) != engine.MaxState {
			t.Fatalf("learned %d bytes: %v", len(s.Bytes), err)
		}
	}
	pss := proportional(t, w.cmd.Process.Pid)
	t.Logf("%d KiB", pss>>10)
	if pss > most {
		t.Errorf("it has %d KiB", pss>>10)
	}
}

// proportional is the memory of another process, in bytes: what it shares with
// others counts in part.
func proportional(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if f := strings.Fields(l); f[0] == "Pss:" {
			n, _ := strconv.Atoi(f[1])
			return n << 10
		}
	}
	t.Fatal("no memory is told")
	return 0
}

// BenchmarkQuestion measures what a question takes through a worker: processor
// time of both sides.
func BenchmarkQuestion(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, w := newHost(b), startWorker(b, options{})
			for k := range uint32(10) {
				w.mustLoad(b, e, k, source(constant(int64(k))))
			}
			var qs []*channel.Question
			for k := range n {
				qs = append(qs, at(uint32(k*10/max(n, 10)), abi.KindTimeout, 0))
			}
			answers := make([]channel.Answer, n)
			mine, its := ownTime(b), processTime(b, w.cmd.Process.Pid)
			for b.Loop() {
				if err := w.ch.Exchange(qs, answers, time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
			each := float64(b.N * n)
			b.ReportMetric(float64(ownTime(b)-mine)/each, "host-ns/question")
			b.ReportMetric(float64(processTime(b, w.cmd.Process.Pid)-its)/each, "worker-ns/question")
		})
	}
}

// BenchmarkLoad measures a load whose code is in use: from asking for it to the
// answer, and processor time of both sides.
func BenchmarkLoad(b *testing.B) {
	e, w := newHost(b), startWorker(b, options{})
	src := source(constant(1))
	w.mustLoad(b, e, 0, src)
	p, err := lent(b, e, src)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Release()
	mine, its := ownTime(b), processTime(b, w.cmd.Process.Pid)
	n := uint32(0)
	for b.Loop() {
		n++
		if _, err := w.Load(b.Context(), n, p, engine.State{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(ownTime(b)-mine)/float64(b.N), "host-ns/load")
	b.ReportMetric(float64(processTime(b, w.cmd.Process.Pid)-its)/float64(b.N), "worker-ns/load")
}

func ownTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWatchdog measures what setting the timer takes, and reading the clock.
func BenchmarkWatchdog(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dog, err := newWatchdog(SignalQuestion)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("arm", func(b *testing.B) {
		for b.Loop() {
			_ = dog.arm(0)
		}
	})
	b.Run("clock", func(b *testing.B) {
		for b.Loop() {
			_ = threadTime()
		}
	})
}
