package leantls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// owner parks a TLS connection above TLS, the way a protocol does, and answers
// what comes.
type owner struct {
	tls     *tls.Conn
	serving sync.WaitGroup
	ended   chan policy.Reason
	trouble chan error
}

func (o *owner) Wake(c *idle.Conn) { o.serving.Go(func() { o.serve(c) }) }

func (o *owner) Finish(_ *idle.Conn, r policy.Reason) {
	o.serving.Go(func() {
		if err := o.tls.Close(); err != nil && r != policy.ReasonPeer {
			o.trouble <- err
		}
		o.ended <- r
	})
}

func (o *owner) serve(c *idle.Conn) {
	buf := make([]byte, 32<<10)
	for {
		c.Doze()
		n, err := o.tls.Read(buf)
		c.Rouse()
		if errors.Is(err, idle.ErrPark) {
			Release(o.tls)
			if c.Park(o) {
				return
			}
			continue
		}
		if err == nil {
			c.SetPhase(abi.PhaseWrite)
			_, err = o.tls.Write(buf[:n])
			c.SetPhase(abi.PhaseIdle)
		}
		if err != nil {
			if err != io.EOF {
				o.trouble <- err
			}
			o.tls.Close()
			o.ended <- policy.ReasonPeer
			return
		}
	}
}

// idler decides nothing: the law holds.
type idler struct{}

func (idler) Decide(*policy.Ask) policy.Verdict { return policy.Verdict{} }

// governed returns a TLS connection over one of the Governor's, and its client.
func governed(t testing.TB, g *idle.Governor, a *idle.Account, sc, cc *tls.Config) (*idle.Conn, *owner, *tls.Conn) {
	s, raw := connect(t)
	c := g.Govern(s, a, abi.SideAccepted)
	c.SetProtocol(abi.ProtocolHTTP1)
	o := &owner{tls: tls.Server(c, sc), ended: make(chan policy.Reason, 1), trouble: make(chan error, 1)}
	client := tls.Client(raw, cc)
	done := make(chan error, 1)
	go func() { done <- handshakeServer(o.tls) }()
	if err := errors.Join(client.Handshake(), <-done, c.Admit(nil)); err != nil {
		t.Fatal(err)
	}
	return c, o, client
}

func parked(g *idle.Governor, n int) {
	testnet.Holds(func() bool { return g.Parked() >= n })
}

func quiet() *idle.Account {
	return idle.NewAccount("acme", idler{}, nil, policy.Timeouts{}, policy.Limits{})
}

// TestParkedTLS sleeps, is released and stripped, and wakes, over and over:
// every byte arrives once, and the end is a close_notify.
func TestParkedTLS(t *testing.T) {
	for _, k := range kinds {
		for name, strip := range map[string]time.Duration{"parked": -1, "stripped": time.Nanosecond} {
			t.Run(k.name+" "+name, func(t *testing.T) {
				t.Parallel()
				g := idle.New(idle.Config{ParkAfter: time.Millisecond, StripAfter: strip, Granularity: time.Millisecond})
				defer g.Close()
				sc, cc := k.ends(t)
				c, o, client := governed(t, g, quiet(), sc, cc)
				defer c.Close()
				defer client.Close()
				o.Wake(c)
				rng := rand.New(rand.NewPCG(1, 2))
				for i := range 30 {
					if i%3 > 0 {
						parked(g, 1)
					}
					out := make([]byte, 1+rng.IntN(40<<10))
					for j := range out {
						out[j] = byte(rng.Uint32())
					}
					go client.Write(out)
					in := make([]byte, len(out))
					if _, err := io.ReadFull(client, in); err != nil || !bytes.Equal(in, out) {
						t.Fatalf("round %d: %v", i, err)
					}
				}
				parked(g, 1)
				c.Shut(policy.ReasonDrain)
				if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Errorf("the client read %d, %v, want a close_notify", n, err)
				}
				if r := <-o.ended; r != policy.ReasonDrain {
					t.Errorf("ended for %v", r)
				}
				o.serving.Wait()
				select {
				case err := <-o.trouble:
					t.Error(err)
				default:
				}
			})
		}
	}
}

// BenchmarkParkedTLS prints what an idle TLS connection holds in user space.
func BenchmarkParkedTLS(b *testing.B) {
	for _, k := range kinds[:3] {
		for _, strip := range []time.Duration{-1, time.Millisecond} {
			b.Run(k.name+map[bool]string{true: " parked", false: " stripped"}[strip < 0], func(b *testing.B) {
				for b.Loop() {
					k.hold(b, strip)
				}
			})
		}
	}
}

// hold measures the second thousand: the first leaves behind what the next
// handshakes use again.
func (k kind) hold(b *testing.B, strip time.Duration) {
	const many = 1000
	g := idle.New(idle.Config{ParkAfter: time.Millisecond, StripAfter: strip, Granularity: time.Millisecond, Linger: -1})
	defer g.Close()
	a := quiet()
	sc, cc := k.ends(b)
	owners, far := make([]*owner, 0, 2*many), make([]int, 0, 2*many)
	var heap, rss [2]int
	for half := range 2 {
		for range many {
			c, o, client := governed(b, g, a, sc, cc)
			o.Wake(c)
			owners, far = append(owners, o), append(far, descriptor(b, client))
			parked(g, len(owners))
		}
		heap[half], rss[half] = held(b)
	}
	b.ReportMetric(float64(heap[1]-heap[0])/many, "heap-B/conn")
	b.ReportMetric(float64(rss[1]-rss[0])/many, "RSS-B/conn")
	for i, o := range owners {
		o.tls.NetConn().Close()
		unix.Close(far[i])
	}
}

// descriptor keeps nothing of a client but its socket.
func descriptor(b *testing.B, c *tls.Conn) (fd int) {
	raw, err := c.NetConn().(*net.TCPConn).SyscallConn()
	if err == nil {
		err = errors.Join(raw.Control(func(own uintptr) { fd, err = unix.Dup(int(own)) }), err)
	}
	if err != nil {
		b.Fatal(err)
	}
	c.NetConn().Close()
	return fd
}

func held(t testing.TB) (heap, rss int) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(f))[1])
	if err != nil {
		t.Fatal(err)
	}
	return int(m.HeapAlloc), pages * os.Getpagesize()
}
