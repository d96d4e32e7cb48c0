package scale

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// BenchmarkScale reports figures of hosts that hold idle connections: one
// process of two sizes, so that the slope shows, and several processes of the
// larger one. A process may have 20,000 descriptors in many places, so that is
// what it holds at most.
//
//	go test -run '^$' -bench Scale -benchtime 1x ./host/bench/scale
func BenchmarkScale(b *testing.B) {
	for _, s := range []struct{ hosts, conns int }{{1, 5000}, {1, 19000}, {3, 19000}} {
		b.Run(fmt.Sprintf("hosts=%d/conns=%d", s.hosts, s.conns), func(b *testing.B) {
			for b.Loop() {
				report(b, s.conns, measure(b, s.hosts, s.conns))
			}
		})
	}
}

func report(b *testing.B, conns int, all []figures) {
	var sum figures
	for _, f := range all {
		sum.Bytes += f.Bytes
		sum.Goroutine += f.Goroutine
		sum.GC += f.GC
		sum.AskCPU += f.AskCPU
		sum.AskWall = max(sum.AskWall, f.AskWall)
		sum.WakeCPU += f.WakeCPU
		sum.WakeWall = max(sum.WakeWall, f.WakeWall)
	}
	n := float64(len(all))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(sum.Bytes/n, "bytes/conn")
	b.ReportMetric(float64(sum.Goroutine)/n, "goroutines/host")
	b.ReportMetric(sum.GC.Seconds()*1e3/n, "gc-ms")
	b.ReportMetric(sum.AskCPU.Seconds()*1e3/n, "due-cpu-ms/host")
	b.ReportMetric(float64(sum.AskCPU.Nanoseconds())/n/float64(conns), "due-cpu-ns/conn")
	b.ReportMetric(sum.AskWall.Seconds()*1e3, "due-wall-ms")
	b.ReportMetric(float64(sum.WakeCPU.Nanoseconds())/n/float64(conns), "wake-cpu-ns/conn")
	b.ReportMetric(sum.WakeWall.Seconds()*1e3, "wake-wall-ms")
}

// process is one of this binary.
type process struct {
	cmd  *exec.Cmd
	tell io.WriteCloser
	hear *bufio.Scanner
}

func start(b *testing.B, args ...string) *process {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return &process{cmd, in, bufio.NewScanner(out)}
}

func (c *process) line(b *testing.B) string {
	if !c.hear.Scan() {
		b.Fatal("a child has ended")
	}
	return c.hear.Text()
}

// measure runs hosts with their clients, all at once, and ends them.
func measure(b *testing.B, hosts, conns int) []figures {
	var servers, users []*process
	for range hosts {
		s := start(b, beHost, strconv.Itoa(conns))
		u := start(b, beClients, s.line(b), strconv.Itoa(conns))
		servers, users = append(servers, s), append(users, u)
	}
	for i := range servers {
		users[i].line(b)
		servers[i].line(b) // the deadlines have fallen
	}
	for i := range servers {
		fmt.Fprintln(servers[i].tell, "wake")
		servers[i].line(b) // it counts
	}
	for i := range servers {
		fmt.Fprintln(users[i].tell, "write")
	}
	all := make([]figures, hosts)
	for i, s := range servers {
		if err := json.Unmarshal([]byte(s.line(b)), &all[i]); err != nil {
			b.Fatal(err)
		}
	}
	for i := range servers {
		users[i].tell.Close()
		users[i].cmd.Wait()
		servers[i].cmd.Wait()
	}
	return all
}
