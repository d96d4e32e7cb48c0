package worker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/engine"
	"idlehost/host/internal/engine/wasmtest"
	"idlehost/host/internal/policy"
)

// group is told the answers to questions that were put together.
type group struct{ sync.WaitGroup }

func (g *group) Answered(*policy.Ask, policy.Verdict, policy.Fault) { g.Done() }

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

// BenchmarkQuestion is a question to a tiny guest through a worker, of those that
// are put together; cpu-ns is the processor time of both sides, guest-ns the
// guest's share of it.
func BenchmarkQuestion(b *testing.B) {
	for _, n := range []int{1, 10, 100, 19_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, _ := startPool(b, Config{Shared: 1})
			wasm := wasmtest.Guest(wasmtest.Returns("on_accept", 0), wasmtest.Returns("on_timeout", 1<<32|5)).Bytes()
			g, err := p.Load(b.Context(), engine.Source{Name: "tiny", Wasm: wasm}, Options{Tenant: "a"})
			if err != nil {
				b.Fatal(err)
			}
			ask := timeout(1)
			round := func() {
				var all group
				all.Add(n)
				for range n {
					g.Ask(ask, &all)
				}
				all.Wait()
			}
			for range 10 {
				round()
			}
			pid := pids(p)[0]
			own, other, guest := ownCPU(b), cpuOf(b, pid), g.Stats().CPU
			rounds := 0
			for b.Loop() {
				round()
				rounds++
			}
			asked := float64(rounds * n)
			b.ReportMetric(float64(ownCPU(b)-own+cpuOf(b, pid)-other)/asked, "cpu-ns/question")
			b.ReportMetric(float64(g.Stats().CPU-guest)/asked, "guest-ns/question")
		})
	}
}
