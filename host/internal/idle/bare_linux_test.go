package idle

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// stripped parks the connection and waits until it is bare.
func stripped(t testing.TB, c *Conn, s Sleeper) {
	t.Helper()
	if !c.Park(s) {
		t.Fatal("not parked")
	}
	testnet.Eventually(t, "it is bare", func() bool { return isBare(c) })
}

func isBare(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bareLocked()
}

// descriptors counts those of the process, once the poller has its own.
func descriptors(t testing.TB, g *Governor) int {
	t.Helper()
	g.polling.Do(g.startPoller)
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(d)
}

func TestStrippedConnectionWakesWithItsBytes(t *testing.T) {
	g := parking(t, Config{StripAfter: time.Millisecond})
	c, far := admitted(t, g, account())
	local, remote := c.LocalAddr().String(), c.RemoteAddr().String()
	c.SetWriteDeadline(time.Now().Add(time.Hour))
	for range 3 {
		s := newSleeper()
		stripped(t, c, s)
		if c.LocalAddr().String() != local || c.RemoteAddr().String() != remote {
			t.Errorf("between %v and %v, want %v and %v", c.LocalAddr(), c.RemoteAddr(), local, remote)
		}
		far.Write([]byte("GET"))
		s.wait(t, woken)
		if isBare(c) {
			t.Fatal("woken as it was")
		}
		buf := make([]byte, 64)
		n, err := c.Read(buf)
		if string(buf[:n]) != "GET" || err != nil {
			t.Fatalf("read %q, %v", buf[:n], err)
		}
		if c.LocalAddr().String() != local || c.RemoteAddr().String() != remote {
			t.Errorf("woken between %v and %v, want %v and %v", c.LocalAddr(), c.RemoteAddr(), local, remote)
		}
		if _, err := c.Write([]byte("200 OK")); err != nil {
			t.Fatal(err)
		}
		if n, err := far.Read(buf); string(buf[:n]) != "200 OK" || err != nil {
			t.Fatalf("the far end read %q, %v", buf[:n], err)
		}
		c.SetPhase(abi.PhaseIdle)
	}
}

// The policy goes on asking, with what the kernel knows.
func TestStrippedConnectionIsAskedAbout(t *testing.T) {
	law := testTimeouts
	law[abi.PhaseIdle].Idle = 60 * time.Millisecond
	rtt := make(chan uint32, 1)
	var c *Conn
	a := NewAccount("acme", decide(func(q *policy.Ask) policy.Verdict {
		if policy.Kind(q.Event.Kind) == abi.KindTimeout {
			if !c.bareLocked() { // asked under mu
				t.Error("asked before it was stripped")
			}
			rtt <- q.Event.RttUs
		}
		return policy.Verdict{}
	}), nil, law, policy.Limits{})
	g := parking(t, Config{StripAfter: time.Millisecond})
	c, far := admitted(t, g, a)
	c.mu.Lock()
	c.infoAt = -1 // the accept event was asked with the kernel's numbers; ask it again
	c.mu.Unlock()
	s := newSleeper()
	stripped(t, c, s)
	if <-rtt == 0 {
		t.Error("no round-trip time in the event")
	}
	s.wait(t, policy.ReasonDefault)
	if n, err := far.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the far end read %d, %v, want the end", n, err)
	}
}

// A good-bye needs no net.Conn.
func TestStrippedConnectionSaysGoodbye(t *testing.T) {
	for _, linger := range []time.Duration{-1, 10 * time.Millisecond} {
		g := parking(t, Config{StripAfter: time.Millisecond, Linger: linger})
		before := descriptors(t, g)
		c, far := admitted(t, g, account())
		told := make(chan error, 1)
		stripped(t, c, goodbye{told})
		c.Shut(policy.ReasonDrain)
		if err := <-told; err != nil {
			t.Error(err)
		}
		all, err := io.ReadAll(far)
		if string(all) != "good-bye" || err != nil {
			t.Errorf("the far end read %q, %v", all, err)
		}
		far.Close()
		testnet.Eventually(t, "no descriptor is left", func() bool { return descriptors(t, g) <= before })
	}
}

type goodbye struct{ told chan error }

func (g goodbye) Wake(*Conn) { g.told <- errors.New("woken") }
func (g goodbye) Finish(c *Conn, _ policy.Reason) {
	c.SetWriteDeadline(time.Now().Add(time.Second))
	_, err := c.Write([]byte("good-bye"))
	g.told <- errors.Join(err, c.Close())
}

func TestPeerGoneWhileStripped(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"fin": func(far *net.TCPConn) { far.Close() },
		"rst": func(far *net.TCPConn) { far.SetLinger(0); far.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			g := parking(t, Config{StripAfter: time.Millisecond})
			before := descriptors(t, g)
			c, far := admitted(t, g, account())
			s := newSleeper()
			stripped(t, c, s)
			leave(far)
			s.wait(t, policy.ReasonPeer)
			if n := descriptors(t, g); n > before {
				t.Errorf("%d descriptors, %d before", n, before)
			}
			if err := c.Close(); err != nil {
				t.Errorf("second close: %v", err)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("read after close: %d, %v", n, err)
			}
		})
	}
}

func TestUnparkDresses(t *testing.T) {
	g := parking(t, Config{StripAfter: time.Millisecond})
	c, far := admitted(t, g, account())
	stripped(t, c, newSleeper())
	c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	if !c.Unpark() {
		t.Fatal("not parked any more")
	}
	if _, ok := c.NetConn().(*net.TCPConn); !ok {
		t.Fatalf("it is a %T", c.NetConn())
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v, want the owner's deadline", err)
	}
	c.SetReadDeadline(time.Time{})
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := far.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the far end read %d, %v", n, err)
	}
}

func TestStrippingIsOff(t *testing.T) {
	g := parking(t, Config{StripAfter: -1})
	c, _ := admitted(t, g, account())
	if !c.Park(newSleeper()) {
		t.Fatal("not parked")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bareDueLocked() != never {
		t.Error("it is to be stripped")
	}
}

// TestNoDescriptorToWakeWith: out of descriptors, a request that has arrived
// is read and answered all the same; then there is an error, and no panic, nor
// a wait. Waking takes two.
func TestNoDescriptorToWakeWith(t *testing.T) {
	for spare := range 2 {
		wakeWithFew(t, spare)
	}
}

func wakeWithFew(t *testing.T, spare int) {
	g := parking(t, Config{StripAfter: time.Millisecond})
	c, far := admitted(t, g, account())
	s := newSleeper()
	stripped(t, c, s)

	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	free, err := unix.Dup(0) // the lowest
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(free)
	low := limit
	low.Cur = uint64(free + spare)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Skip(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	far.Write([]byte("GET"))
	s.wait(t, woken)
	buf := make([]byte, 64)
	if n, err := c.Read(buf); string(buf[:n]) != "GET" || err != nil {
		t.Fatalf("read %q, %v", buf[:n], err)
	}
	if _, err := c.Write([]byte("200 OK")); err != nil {
		t.Fatal(err)
	}
	if n, err := far.Read(buf); string(buf[:n]) != "200 OK" || err != nil {
		t.Fatalf("the far end read %q, %v", buf[:n], err)
	}
	if _, err := c.Read(buf); !errors.Is(err, errBare) {
		t.Errorf("read: %v", err)
	}
	if _, err := c.SyscallConn(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("handle: %v", err)
	}
	c.SetPhase(abi.PhaseIdle)
	again := newSleeper() // it can sleep again, and wake better
	if !c.Park(again) {
		t.Fatal("not parked")
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	far.Write([]byte("GET"))
	again.wait(t, woken)
	if isBare(c) {
		t.Error("woken as it was")
	}
}

// TestReusedDescriptorOfAStrippedConnection: as of a parked one.
func TestReusedDescriptorOfAStrippedConnection(t *testing.T) {
	g := parking(t, Config{StripAfter: time.Nanosecond, Granularity: time.Millisecond, Linger: -1})
	a := account()
	for range 50 {
		c, far := admitted(t, g, a)
		stripped(t, c, newSleeper())
		go far.Write([]byte("x")) // may come too late: then it is nobody's
		c.Close()
		d, far2 := admitted(t, g, a)
		s := newSleeper()
		stripped(t, d, s)
		if s.wakes.Load()+s.ends.Load() != 0 {
			t.Fatal("a stranger's event woke a connection")
		}
		d.Close()
		far.Close()
		far2.Close()
	}
}

// TestBytesRaceTheEndOfAStrippedConnection: as of a parked one.
func TestBytesRaceTheEndOfAStrippedConnection(t *testing.T) {
	g := parking(t, Config{StripAfter: time.Nanosecond, Granularity: time.Millisecond, Linger: -1})
	a := account()
	for range 100 {
		c, far := admitted(t, g, a)
		s := newSleeper()
		stripped(t, c, s)
		var wg sync.WaitGroup
		wg.Go(func() { far.Write([]byte("x")) })
		wg.Go(func() { c.Shut(policy.ReasonPolicy) })
		wg.Wait()
		<-s.told
		if s.wakes.Load()+s.ends.Load() != 1 {
			t.Fatalf("woken %d times, ended %d times", s.wakes.Load(), s.ends.Load())
		}
		if s.wakes.Load() == 1 {
			if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatalf("read %d, %v after being woken", n, err)
			}
		}
		c.Close()
		far.Close()
	}
}

// echoer answers what comes, and parks at once.
type echoer struct {
	t    *testing.T
	bare *sync.WaitGroup // one for every wake
	done chan struct{}
}

func (e *echoer) Wake(c *Conn) { e.bare.Go(func() { e.serve(c) }) }

func (e *echoer) Finish(c *Conn, _ policy.Reason) {
	c.Close()
	close(e.done)
}

func (e *echoer) serve(c *Conn) {
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err == nil {
		_, err = c.Write(buf[:n])
	}
	if err != nil {
		if err != io.EOF {
			e.t.Error(err)
		}
		e.Finish(c, 0)
		return
	}
	c.SetPhase(abi.PhaseIdle)
	if !c.Park(e) {
		e.t.Error("not parked")
	}
}

// TestStripHammer has bytes arrive at any moment around the change: each is
// echoed once, in order, and no descriptor is left.
func TestStripHammer(t *testing.T) {
	g := parking(t, Config{StripAfter: time.Nanosecond, Granularity: 100 * time.Microsecond, Linger: -1})
	a := account()
	before := descriptors(t, g)
	var clients, wakes sync.WaitGroup
	var bare atomic.Int32 // times a connection was found stripped
	for range 8 {
		c, far := admitted(t, g, a)
		e := &echoer{t, &wakes, make(chan struct{})}
		if !c.Park(e) {
			t.Fatal("not parked")
		}
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c.ID()), 1))
			out, in := make([]byte, 100), make([]byte, 100)
			for range 300 {
				for range rng.IntN(2000) { // wait for about as long as the wheel's step
					runtime.Gosched()
				}
				_ = c.RemoteAddr().String() + c.LocalAddr().String()
				if isBare(c) {
					bare.Add(1)
				}
				for i := range out {
					out[i] = byte(rng.Uint32())
				}
				if _, err := far.Write(out); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(far, in); err != nil || !bytes.Equal(in, out) {
					t.Error("echo:", err)
					return
				}
			}
			far.Close()
			<-e.done
		})
	}
	clients.Wait()
	wakes.Wait()
	if bare.Load() == 0 {
		t.Error("none was ever stripped")
	}
	if n := descriptors(t, g); n > before {
		t.Errorf("%d descriptors in the end, %d before", n, before)
	}
	if g.Parked() != 0 {
		t.Errorf("%d parked in the end", g.Parked())
	}
}

func TestStrippedConnectionsAreCounted(t *testing.T) {
	g := New(Config{ParkAfter: time.Millisecond, StripAfter: time.Millisecond})
	defer g.Close()
	c, far := admitted(t, g, account())
	s := newSleeper()
	park(t, c, s)
	testnet.Eventually(t, "it is stripped", func() bool { return g.Stripped() == 1 })
	far.Write([]byte("x"))
	s.wait(t, woken)
	if g.Stripped() != 0 || g.Parked() != 0 {
		t.Errorf("%d stripped, %d parked after the wake", g.Stripped(), g.Parked())
	}
}
