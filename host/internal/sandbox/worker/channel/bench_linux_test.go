package channel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkExchange measures what a question takes beside the guest's time:
// processor time of this process and of the worker, whose guest does nothing.
// Between batches that follow each other at once, both ends stay warm; rested is
// a lone question each millisecond, without the time of the tick itself. On a
// busy machine the processors are taken by others.
func BenchmarkExchange(b *testing.B) {
	for _, busy := range []bool{false, true} {
		state := map[bool]string{false: "quiet", true: "busy"}[busy]
		for _, n := range []int{1, 10, 100} {
			name := fmt.Sprint(n)
			if n == 1 {
				name = "alone"
			}
			b.Run(state+"/"+name, func(b *testing.B) { benchmarkExchange(b, busy, n) })
		}
		b.Run(state+"/rested", func(b *testing.B) { benchmarkRested(b, busy) })
	}
}

func benchmarkExchange(b *testing.B, busy bool, n int) {
	m := startMeter(b, busy, n)
	for b.Loop() {
		m.ask()
	}
	m.report(0)
}

func benchmarkRested(b *testing.B, busy bool) {
	m := startMeter(b, busy, 1)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	const ticks = 500
	for range ticks {
		<-tick.C
	}
	alone := (ownTime(b) - m.host) / ticks
	m.reset()
	for b.Loop() {
		<-tick.C
		m.ask()
	}
	m.report(alone)
}

// meter measures the two ends of a channel.
type meter struct {
	b            *testing.B
	ask          func()
	questions    int // in a batch
	pid          int
	host, worker time.Duration // when it was reset
}

func startMeter(b *testing.B, busy bool, n int) *meter {
	if busy {
		burn(b)
	}
	p := startProcess(b, 128)
	qs, as := questions(n), make([]Answer, n)
	m := &meter{b: b, questions: n, pid: p.cmd.Process.Pid, ask: func() {
		if err := p.Exchange(qs, as, patience()); err != nil {
			b.Fatal(err)
		}
	}}
	for range 100 {
		m.ask()
	}
	m.reset()
	return m
}

func (m *meter) reset() { m.host, m.worker = ownTime(m.b), processTime(m.b, m.pid) }

// report tells what a question took since the reset, less what the host takes
// for each batch without the exchange.
func (m *meter) report(less time.Duration) {
	host, worker := ownTime(m.b)-m.host-time.Duration(m.b.N)*less, processTime(m.b, m.pid)-m.worker
	asked := float64(m.b.N * m.questions)
	m.b.ReportMetric(float64(host)/asked, "host-ns/question")
	m.b.ReportMetric(float64(worker)/asked, "worker-ns/question")
	m.b.ReportMetric(float64(host+worker)/asked, "both-ns/question")
}

// burn takes every processor for as long as the benchmark runs.
func burn(b *testing.B) {
	for range runtime.NumCPU() {
		cmd := exec.Command(os.Args[0], burnEntry)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
}

// ownTime is the processor time of this process.
func ownTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// processTime is the processor time of another process: that of its threads.
func processTime(b *testing.B, pid int) time.Duration {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		b.Fatal(files, err)
	}
	var sum time.Duration
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		var ran time.Duration
		if _, err := fmt.Sscan(string(text), &ran); err != nil {
			b.Fatal(err)
		}
		sum += ran
	}
	return sum
}
