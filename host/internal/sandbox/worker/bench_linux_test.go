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

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/wasmtest"
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
// answers awaited, so that some go ahead of the others; tenants: of so many, one
// after the other.
func BenchmarkQuestion(b *testing.B) {
	b.Run("alone", func(b *testing.B) { askInTurns(b, 1, 1) })
	for _, n := range []int{10, 100} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) { askAgain(b, n) })
	}
	for _, n := range []int{10, 100, 19_000} {
		b.Run(fmt.Sprintf("together=%d", n), func(b *testing.B) { askInTurns(b, n, 1) })
	}
	for _, tenants := range []int{100, 1000} {
		b.Run(fmt.Sprintf("together=19000/tenants=%d", tenants), func(b *testing.B) { askInTurns(b, 19_000, tenants) })
	}
}

// asked measures questions to a guest.
type asked struct {
	deaf
	b          *testing.B
	pool       *Pool
	guests     []*Guest
	batches    atomic.Int64
	pid        int
	own, other time.Duration
	before     done
}

// Batch implements Observer.
func (a *asked) Batch(Kind, int) { a.batches.Add(1) }

// ask begins to measure, once a few questions are answered.
func ask(b *testing.B, tenants int) *asked {
	a := &asked{b: b}
	a.pool, _ = startPool(b, Config{Shared: 1, Observer: a})
	wasm := wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Returns("on_timeout", 1<<32|5)).Bytes()
	for i := range tenants {
		g, err := a.pool.Load(b.Context(), engine.Source{Name: "tiny", Wasm: wasm}, Options{Tenant: strconv.Itoa(i)})
		if err != nil {
			b.Fatal(err)
		}
		a.guests = append(a.guests, g)
	}
	for range 10 {
		a.together(tenants)
	}
	a.pid = pids(a.pool)[0]
	a.reset()
	return a
}

func (a *asked) reset() {
	a.own, a.other, a.before = ownCPU(a.b), cpuOf(a.b, a.pid), a.done()
	a.batches.Store(0)
	a.b.ResetTimer()
}

// report tells what a question has taken since the reset.
func (a *asked) report() {
	cpu, now := ownCPU(a.b)-a.own+cpuOf(a.b, a.pid)-a.other, a.done()
	n, guest := float64(now.questions-a.before.questions), now.cpu-a.before.cpu
	a.b.ReportMetric(float64(cpu)/n, "cpu-ns/question")
	a.b.ReportMetric(float64(guest)/n, "guest-ns/question")
	a.b.ReportMetric(float64(cpu-guest)/n, "beside-ns/question")
	a.b.ReportMetric(n/float64(a.batches.Load()), "questions/batch")
}

// done is what guests have done.
type done struct {
	questions uint64
	cpu       time.Duration
}

func (a *asked) done() (sum done) {
	for _, g := range a.guests {
		s := g.Stats()
		sum.questions += s.Questions
		sum.cpu += s.CPU
	}
	return sum
}

func askInTurns(b *testing.B, n, tenants int) {
	a := ask(b, tenants)
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
	for i := range n {
		a.guests[i%len(a.guests)].Ask(q, &all)
	}
	all.Wait()
}

// answers are waited for.
type answers struct{ sync.WaitGroup }

func (a *answers) Answered(*policy.Ask, policy.Verdict, policy.Fault) { a.Done() }

func askAgain(b *testing.B, n int) {
	a := ask(b, 1)
	r := &again{guest: a.guests[0]}
	r.left.Store(int64(b.N))
	r.Add(n)
	q := timeout(1)
	for range n {
		r.guest.Ask(q, r)
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
