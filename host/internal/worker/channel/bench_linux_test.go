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
// A busy machine has its processors taken by others; on a quiet one a worker
// and its host fall asleep between two batches, and waking takes the time.
func BenchmarkExchange(b *testing.B) {
	for _, busy := range []bool{false, true} {
		state := map[bool]string{false: "quiet", true: "busy"}[busy]
		for _, n := range []int{1, 10, 100} {
			size := fmt.Sprint(n)
			if n == 1 {
				size = "alone"
			}
			b.Run(state+"/"+size, func(b *testing.B) { benchmarkExchange(b, busy, n, 0) })
		}
		b.Run(state+"/alone-rested", func(b *testing.B) { benchmarkExchange(b, busy, 1, time.Millisecond) })
	}
}

func benchmarkExchange(b *testing.B, busy bool, n int, rest time.Duration) {
	if busy {
		burn(b)
	}
	p := startProcess(b, 128)
	qs, as := questions(n), make([]Answer, n)
	ask := func() {
		if err := p.Exchange(qs, as, time.Now().Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	for range 100 {
		ask()
	}
	var tick *time.Ticker
	if rest > 0 {
		tick = time.NewTicker(rest)
		defer tick.Stop()
	}
	host, worker := ownTime(b), processTime(b, p.cmd.Process.Pid)
	for b.Loop() {
		if tick != nil {
			<-tick.C
		}
		ask()
	}
	host, worker = ownTime(b)-host, processTime(b, p.cmd.Process.Pid)-worker
	asked := float64(b.N * n)
	b.ReportMetric(float64(host)/asked, "host-ns/question")
	b.ReportMetric(float64(worker)/asked, "worker-ns/question")
	b.ReportMetric(float64(host+worker)/asked, "both-ns/question")
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
