package idle

import (
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// usage is what a process holds, in bytes.
type usage struct{ heap, stack, rss int }

func used(t testing.TB) usage {
	t.Helper()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return usage{heap: int(m.HeapAlloc), stack: int(m.StackInuse), rss: pages * os.Getpagesize()}
}

// accepted returns as many accepted connections, and the descriptors of their
// other ends, which hold no memory of this process.
func accepted(t testing.TB, n int) (near []net.Conn, far []int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, far = make([]net.Conn, n), make([]int, n)
	for i := range near {
		far[i] = connectRaw(t, ln.Addr().(*net.TCPAddr).Port)
		if near[i], err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	return near, far
}

// BenchmarkParked prints what one connection holds in user space: as a
// net.TCPConn, with its record, parked, and stripped.
func BenchmarkParked(b *testing.B) {
	for state := range states {
		b.Run(states[state], func(b *testing.B) {
			for b.Loop() {
				holdMany(b, state)
			}
		})
	}
}

var states = []string{"open", "governed", "parked", "stripped"}

// holdMany brings connections into a state, a batch after the other, as they
// come in life: what one has no more the next can use.
func holdMany(b *testing.B, state int) {
	const many, batch = 4000, 200
	cfg := Config{StripAfter: -1, Linger: -1}
	if state == 3 {
		cfg.StripAfter = time.Millisecond
	}
	g := parking(b, cfg)
	g.polling.Do(g.startPoller)
	a, s := account(), newSleeper()
	held, fars := make([]net.Conn, 0, many), make([]int, 0, many)
	before := used(b)
	for len(held) < many {
		near, far := accepted(b, batch)
		if state > 0 {
			govern(b, g, a, near)
		}
		for _, nc := range near {
			if c, ok := nc.(*Conn); ok && state > 1 && !c.Park(s) {
				b.Fatal("not parked")
			}
		}
		for _, nc := range near {
			for state == 3 && !isBare(nc.(*Conn)) {
				runtime.Gosched()
			}
		}
		held, fars = append(held, near...), append(fars, far...)
		runtime.GC()
	}
	after := used(b)
	b.ReportMetric(float64(after.heap-before.heap)/many, "heap-B/conn")
	b.ReportMetric(float64(after.stack-before.stack)/many, "stack-B/conn")
	b.ReportMetric(float64(after.rss-before.rss)/many, "RSS-B/conn")
	for i, c := range held {
		c.Close()
		unix.Close(fars[i])
	}
}

// govern replaces connections by governed ones.
func govern(b *testing.B, g *Governor, a *Account, list []net.Conn) {
	for i, nc := range list {
		c := g.Govern(nc, a, abi.SideAccepted)
		if err := c.Admit(nil); err != nil {
			b.Fatal(err)
		}
		list[i] = c
	}
}

// BenchmarkWake is waking a parked connection and having it park again.
func BenchmarkWake(b *testing.B) {
	for name, after := range map[string]time.Duration{"parked": -1, "stripped": time.Hour} {
		b.Run(name, func(b *testing.B) {
			g := parking(b, Config{StripAfter: after})
			c, _ := admitted(b, g, account())
			s := newSleeper()
			b.ReportAllocs()
			for b.Loop() {
				if !c.Park(s) {
					b.Fatal("not parked")
				}
				if after > 0 {
					c.mu.Lock()
					c.stripLocked()
					c.mu.Unlock()
				}
				if !c.Unpark() {
					b.Fatal("not parked any more")
				}
			}
		})
	}
}

// BenchmarkMillion is a forced collection with a million records, in wheels,
// without sockets.
func BenchmarkMillion(b *testing.B) {
	g := New(Config{})
	defer g.Close()
	a := NewAccount("acme", decide(native), nil, policy.Timeouts{}, policy.Limits{})
	const many = 1_000_000
	before := used(b)
	conns := make([]*Conn, many)
	for i := range conns {
		conns[i] = g.Govern(sinkhole{}, a, policy.Side(abi.SideAccepted))
	}
	after := used(b)
	start, n := processorTime(b), 0
	for b.Loop() {
		runtime.GC()
		n++
	}
	b.ReportMetric((processorTime(b)-start).Seconds()*1e3/float64(n), "cpu-ms/GC")
	b.ReportMetric(float64(after.heap-before.heap)/many, "heap-B/conn")
	b.ReportMetric(float64(after.rss-before.rss)/many, "RSS-B/conn")
	runtime.KeepAlive(conns)
}

// processorTime is the process's own: what the clock says is also others'.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Skip(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sinkhole is a connection without a socket, or any memory.
type sinkhole struct{ net.Conn }

func (sinkhole) RemoteAddr() net.Addr { return nil }

// connectRaw connects to a port of this machine.
func connectRaw(t testing.TB, port int) (fd int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != nil {
		t.Fatal(err)
	}
	return fd
}
