package worker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/engine"
	"idlehost/host/internal/engine/wasmtest"
	"idlehost/host/internal/policy"
)

// cpuOf returns the processor time of a process.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		b.Skip(err)
	}
	var sum time.Duration
	for _, task := range tasks {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(n)
	}
	return sum
}

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkQuestion is a question to a tiny guest through a worker. cpu-ns is the
// processor time of both sides, guest-ns the guest's share of it, beside-ns the
// rest. alone: each is put when the one before is answered. batch: so many are
// open all the time, each put again by whoever takes its answer, so that they
// cross together. together: so many are put, one by one as a tick does, and all
// answers awaited, so that some go ahead of the others.
func BenchmarkQuestion(b *testing.B) {
	b.Run("alone", func(b *testing.B) { askInTurns(b, 1) })
	for _, n := range []int{10, 100} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) { askAgain(b, n) })
	}
	for _, n := range []int{10, 100, 19_000} {
		b.Run(fmt.Sprintf("together=%d", n), func(b *testing.B) { askInTurns(b, n) })
	}
}

// asked measures questions to a guest.
type asked struct {
	deaf
	b          *testing.B
	pool       *Pool
	guest      *Guest
	batches    atomic.Int64
	pid        int
	own, other time.Duration
	before     Stats
}

// Batch implements Observer.
func (a *asked) Batch(Kind, int) { a.batches.Add(1) }

// ask begins to measure, once a few questions are answered.
func ask(b *testing.B) *asked {
	a := &asked{b: b}
	a.pool, _ = startPool(b, Config{Shared: 1, Observer: a})
	wasm := wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Returns("on_timeout", 1<<32|5)).Bytes()
	var err error
	if a.guest, err = a.pool.Load(b.Context(), engine.Source{Name: "tiny", Wasm: wasm}, Options{Tenant: "a"}); err != nil {
		b.Fatal(err)
	}
	for range 10 {
		a.together(1)
	}
	a.pid = pids(a.pool)[0]
	a.reset()
	return a
}

func (a *asked) reset() {
	a.own, a.other, a.before = ownCPU(a.b), cpuOf(a.b, a.pid), a.guest.Stats()
	a.batches.Store(0)
	a.b.ResetTimer()
}

// report tells what a question has taken since the reset.
func (a *asked) report() {
	cpu, now := ownCPU(a.b)-a.own+cpuOf(a.b, a.pid)-a.other, a.guest.Stats()
	n, guest := float64(now.Questions-a.before.Questions), now.CPU-a.before.CPU
	a.b.ReportMetric(float64(cpu)/n, "cpu-ns/question")
	a.b.ReportMetric(float64(guest)/n, "guest-ns/question")
	a.b.ReportMetric(float64(cpu-guest)/n, "beside-ns/question")
	a.b.ReportMetric(n/float64(a.batches.Load()), "questions/batch")
}

func askInTurns(b *testing.B, n int) {
	a := ask(b)
	for b.Loop() {
		a.together(n)
	}
	a.report()
}

// together puts n questions, and waits for the answers.
func (a *asked) together(n int) {
	var all answers
	all.Add(n)
	q := timeout(1)
	for range n {
		a.guest.Ask(q, &all)
	}
	all.Wait()
}

// answers are waited for.
type answers struct{ sync.WaitGroup }

func (a *answers) Answered(*policy.Ask, policy.Verdict, policy.Fault) { a.Done() }

func askAgain(b *testing.B, n int) {
	a := ask(b)
	r := &again{guest: a.guest}
	r.left.Store(int64(b.N))
	r.Add(n)
	q := timeout(1)
	for range n {
		a.guest.Ask(q, r)
	}
	r.Wait()
	a.report()
}

// again puts questions that are answered again, so many times.
type again struct {
	sync.WaitGroup
	guest *Guest
	left  atomic.Int64
}

func (r *again) Answered(q *policy.Ask, _ policy.Verdict, _ policy.Fault) {
	if r.left.Add(-1) < 0 {
		r.Done()
		return
	}
	r.guest.Ask(q, r)
}
