package tunnel

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// far is the far end of a connection, of which the heap of this process holds
// nothing: a descriptor.
type far int

func (f far) Read(p []byte) (int, error) {
	n, err := unix.Read(int(f), p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func (f far) Write(p []byte) (int, error)      { return unix.Write(int(f), p) }
func (f far) Close() error                     { return unix.Close(int(f)) }
func (f far) LocalAddr() net.Addr              { return nil }
func (f far) RemoteAddr() net.Addr             { return nil }
func (f far) SetDeadline(time.Time) error      { return nil }
func (f far) SetReadDeadline(time.Time) error  { return nil }
func (f far) SetWriteDeadline(time.Time) error { return nil }

// farEnd makes one end of a tunnel, whose peer is far.
func (r *rig) farEnd(l *net.TCPListener, side policy.Side, secure bool) (End, far, net.Conn) {
	r.t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(fd, to); err != nil {
		r.t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil { // as net does
		r.t.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	c := r.gov.Govern(near, r.account, side)
	if err := c.Admit(nil); err != nil {
		r.t.Fatal(err)
	}
	if !secure {
		return End{Conn: c, Stream: c}, far(fd), far(fd)
	}
	ours, peer := r.shake(c, far(fd), side)
	return End{Conn: c, Stream: ours}, far(fd), peer
}

// occupied is what heap and stacks hold after a collection, in bytes.
func occupied() (heap, stack int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), int(m.StackInuse)
}

// budget is the most that a sleeping tunnel may hold, both ends together: bytes
// of heap.
var budget = map[string]int{"clear": 1500, "tls-down": 2400, "tls-up": 2900, "tls-both": 4000}

// TestBudget measures tunnels that have carried something and sleep.
func TestBudget(t *testing.T) {
	const tunnels = 300
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			r := newRig(t, 2*soon, law(0))
			var open []far
			defer func() {
				for _, f := range open {
					f.Close()
				}
			}()
			add := func() {
				a, f, client := r.farEnd(l.(*net.TCPListener), abi.SideAccepted, k.secureDown)
				b, g, server := r.farEnd(l.(*net.TCPListener), abi.SideDialled, k.isSecUp)
				open = append(open, f, g)
				r.group.Open(a, b)
				say(t, client, server, "ping")
				say(t, server, client, "pong")
			}
			for range 10 { // what is made once
				add()
			}
			r.quiet(len(open))
			heap, stack := occupied()
			for range tunnels {
				add()
			}
			r.quiet(len(open))
			// A while after it is parked, a connection is stripped.
			each, stacks := 0, 0
			defer func() { t.Logf("%d bytes of heap a tunnel, %d of stack", each, stacks) }()
			eventually(t, "the budget is kept", func() bool {
				heap2, stack2 := occupied()
				each, stacks = (heap2-heap)/tunnels, (stack2-stack)/tunnels
				return each <= budget[k.name]
			})
		})
	}
}

var _ net.Conn = far(0)
