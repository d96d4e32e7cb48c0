package idle

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// sleeper counts what it is told.
type sleeper struct {
	wakes, ends atomic.Int32
	told        chan policy.Reason // 0xffff: a wake
}

const woken = policy.Reason(0xff)

func newSleeper() *sleeper { return &sleeper{told: make(chan policy.Reason, 4)} }

func (s *sleeper) Wake(*Conn) { s.wakes.Add(1); s.told <- woken }
func (s *sleeper) Finish(c *Conn, r policy.Reason) {
	s.ends.Add(1)
	c.Close()
	s.told <- r
}

func (s *sleeper) wait(t *testing.T, want policy.Reason) {
	t.Helper()
	select {
	case got := <-s.told:
		if got != want {
			t.Fatalf("told %v, want %v", got, want)
		}
	case <-time.After(testnet.Patience):
		t.Fatal("told nothing")
	}
}

// parking returns a Governor that parks at once.
func parking(t testing.TB, cfg Config) *Governor {
	cfg.ParkAfter = time.Millisecond
	g := New(cfg)
	t.Cleanup(func() { g.Close() })
	return g
}

// park reads until the connection is to be parked, and parks it.
func park(t testing.TB, c *Conn, s Sleeper) {
	t.Helper()
	c.Doze()
	n, err := c.Read(make([]byte, 64))
	c.Rouse()
	if n != 0 || !errors.Is(err, ErrPark) {
		t.Fatalf("read %d bytes, %v, want to be parked", n, err)
	}
	var ne interface {
		Timeout() bool
		Temporary() bool
	} // as crypto/tls asks
	if !errors.As(err, &ne) || !ne.Timeout() || !ne.Temporary() {
		t.Fatalf("%v is no passing timeout", err)
	}
	if !c.Park(s) {
		t.Fatal("not parked")
	}
}

func admitted(t testing.TB, g *Governor, a *Account) (*Conn, *net.TCPConn) {
	t.Helper()
	c, far := sockets(t, g, a, abi.SideAccepted)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	return c, far
}

func TestParkedConnectionWakesWithItsBytes(t *testing.T) {
	g := parking(t, Config{})
	c, far := admitted(t, g, account())
	for range 3 {
		s := newSleeper()
		park(t, c, s)
		if g.Parked() != 1 {
			t.Fatalf("%d parked", g.Parked())
		}
		far.Write([]byte("GET"))
		s.wait(t, woken)
		buf := make([]byte, 64)
		c.Doze()
		n, err := c.Read(buf)
		c.Rouse()
		if string(buf[:n]) != "GET" || err != nil {
			t.Fatalf("read %q, %v", buf[:n], err)
		}
		c.Begin(0, false)
		c.End()
	}
	if g.Parked() != 0 {
		t.Fatalf("%d parked", g.Parked())
	}
}

// Bytes may come before the epoll is armed.
func TestBytesBeforeParkWake(t *testing.T) {
	g := parking(t, Config{})
	c, far := admitted(t, g, account())
	far.Write([]byte("x"))
	testnet.Eventually(t, "bytes have come", func() bool { return unread(c.inner) > 0 })
	s := newSleeper()
	if !c.Park(s) {
		t.Fatal("not parked")
	}
	s.wait(t, woken)
}

func TestPeerGoneWhileParked(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"fin": func(far *net.TCPConn) { far.Close() },
		"rst": func(far *net.TCPConn) { far.SetLinger(0); far.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l := &log{}
			g := parking(t, Config{Observer: l})
			c, far := admitted(t, g, account())
			s := newSleeper()
			park(t, c, s)
			leave(far)
			s.wait(t, policy.ReasonPeer)
			if l.ends[0].Reason != policy.ReasonPeer {
				t.Errorf("ended for %v", l.ends[0].Reason)
			}
		})
	}
}

func TestDataAndFinWake(t *testing.T) {
	g := parking(t, Config{})
	c, far := admitted(t, g, account())
	s := newSleeper()
	park(t, c, s)
	far.Write([]byte("x"))
	far.Close()
	s.wait(t, woken)
}

// The far end of a parked tunnel may stop sending and still listen.
func TestHalfCloseWakesATunnel(t *testing.T) {
	g := parking(t, Config{})
	c, far := admitted(t, g, account())
	c.SetPhase(abi.PhaseTunnel)
	s := newSleeper()
	park(t, c, s)
	far.CloseWrite()
	s.wait(t, woken)
}

func TestPolicyEndsAParkedConnection(t *testing.T) {
	law := testTimeouts
	law[abi.PhaseIdle].Idle = 50 * time.Millisecond
	asked := atomic.Int32{}
	a := NewAccount("acme", decide(func(q *policy.Ask) policy.Verdict {
		if policy.Kind(q.Event.Kind) == abi.KindTimeout {
			asked.Add(1)
		}
		return policy.Verdict{}
	}), books.New(books.Config{}), law, policy.Limits{})
	g := parking(t, Config{Linger: -1})
	c, _ := admitted(t, g, a)
	s := newSleeper()
	park(t, c, s)
	s.wait(t, policy.ReasonDefault)
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// Exactly one of two wins when bytes race the decision to end: either the
// owner is woken and has the bytes, or it is told to finish.
func TestBytesRaceTheEndOfAParkedConnection(t *testing.T) {
	g := parking(t, Config{Linger: -1})
	a := account()
	for range 500 {
		c, far := admitted(t, g, a)
		s := newSleeper()
		if !c.Park(s) {
			t.Fatal("not parked")
		}
		var wg sync.WaitGroup
		wg.Go(func() { far.Write([]byte("x")) })
		wg.Go(func() { c.Shut(policy.ReasonPolicy) })
		wg.Wait()
		<-s.told
		if s.wakes.Load()+s.ends.Load() != 1 {
			t.Fatalf("woken %d times, ended %d times", s.wakes.Load(), s.ends.Load())
		}
		if s.wakes.Load() == 1 {
			buf := make([]byte, 1)
			if n, err := c.Read(buf); n != 1 || err != nil {
				t.Fatalf("read %d, %v after being woken", n, err)
			}
		}
		c.Close()
		far.Close()
	}
}

func TestUnparkIsTold(t *testing.T) {
	g := parking(t, Config{})
	a := account()
	for range 200 {
		c, far := admitted(t, g, a)
		s := newSleeper()
		if !c.Park(s) {
			t.Fatal("not parked")
		}
		var wg sync.WaitGroup
		var took bool
		wg.Go(func() { far.Write([]byte("x")) })
		wg.Go(func() { took = c.Unpark() })
		wg.Wait()
		if !took {
			s.wait(t, woken)
		}
		c.Close()
		far.Close()
		if n := s.wakes.Load() + s.ends.Load(); took == (n != 0) {
			t.Fatalf("unparked %t, told %d times", took, n)
		}
	}
}

// A descriptor goes from one connection to the next at once: what happened to
// the former must not wake the latter.
func TestReusedDescriptorSleepsOn(t *testing.T) {
	g := parking(t, Config{Linger: -1})
	a := account()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				c, far := admitted(t, g, a)
				s := newSleeper()
				if !c.Park(s) {
					t.Error("not parked")
				}
				go far.Write([]byte("x")) // may come too late: then it is nobody's
				c.Close()
				d, far2 := admitted(t, g, a)
				s2 := newSleeper()
				if !d.Park(s2) {
					t.Error("not parked")
				}
				runtime.Gosched()
				if s2.wakes.Load()+s2.ends.Load() != 0 {
					t.Error("a stranger's event woke a connection")
				}
				d.Close()
				far.Close()
				far2.Close()
			}
		})
	}
	wg.Wait()
	if g.Parked() != 0 {
		t.Errorf("%d parked in the end", g.Parked())
	}
}

// An event that is looked at after its descriptor has changed hands is dropped.
func TestStaleEventIsDropped(t *testing.T) {
	g := parking(t, Config{})
	c, _ := admitted(t, g, account())
	s := newSleeper()
	if !c.Park(s) {
		t.Fatal("not parked")
	}
	p := g.poller.Load()
	ev := staleEvent(c)
	if got := p.find(&ev); got != nil {
		t.Fatal("found a connection for an event of another")
	}
}

func TestDrainEndsThousandsOfParked(t *testing.T) {
	l := &log{}
	g := parking(t, Config{Linger: -1, Observer: l})
	a := account()
	const many = 2000
	for range many {
		c, _ := admitted(t, g, a)
		if !c.Park(newSleeper()) {
			t.Fatal("not parked")
		}
	}
	if g.Parked() != many {
		t.Fatalf("%d parked", g.Parked())
	}
	if left := g.Drain(t.Context()); left != 0 || g.Parked() != 0 {
		t.Fatalf("%d left, %d parked", left, g.Parked())
	}
}

// What is below TLS may get bytes that nobody above is given.
func TestUselessBytesDoNotEndTheIdlePeriod(t *testing.T) {
	g := parking(t, Config{})
	c, far := admitted(t, g, account())
	s := newSleeper()
	park(t, c, s)
	c.mu.Lock()
	since := c.phaseStart
	c.mu.Unlock()
	far.Write([]byte("ticket"))
	s.wait(t, woken)
	c.Doze() // as the layer above would, which reads twice
	buf := make([]byte, 64)
	if n, err := c.Read(buf); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	_, err := c.Read(buf)
	c.Rouse()
	if !errors.Is(err, ErrPark) {
		t.Fatalf("read: %v, want to be parked", err)
	}
	if !c.Park(newSleeper()) {
		t.Fatal("not parked")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Phase() != abi.PhaseIdle || c.phaseStart != since {
		t.Errorf("phase %v since %d, want idle since %d", c.Phase(), c.phaseStart, since)
	}
}

// The owner's deadline outlives the interruption.
func TestRouseRestoresTheOwnersDeadline(t *testing.T) {
	g := parking(t, Config{})
	c, _ := admitted(t, g, account())
	park(t, c, newSleeper())
	if !c.Unpark() {
		t.Fatal("not parked any more")
	}
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	if errors.Is(err, ErrPark) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v, want the owner's deadline", err)
	}
}

func TestParkingIsOff(t *testing.T) {
	g := New(Config{ParkAfter: -1})
	defer g.Close()
	c, far := admitted(t, g, account())
	c.Doze()
	if c.Park(newSleeper()) {
		t.Fatal("parked")
	}
	far.Write([]byte("x"))
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	c.Rouse()
}

// staleEvent is one for the descriptor of c and another connection's id.
func staleEvent(c *Conn) unix.EpollEvent {
	return unix.EpollEvent{Events: unix.EPOLLIN, Fd: c.fd - 1, Pad: int32(uint32(c.id)) + 1}
}

// A tunnel wakes, reads and sleeps again in one and the same phase.
func TestParksAgainWithoutAChangeOfPhase(t *testing.T) {
	g := parking(t, Config{})
	c, far := admitted(t, g, account())
	c.SetPhase(abi.PhaseTunnel)
	for range 3 {
		s := newSleeper()
		park(t, c, s)
		far.Write([]byte("x"))
		s.wait(t, woken)
		if n, err := c.Read(make([]byte, 8)); n != 1 || err != nil {
			t.Fatalf("read %d bytes, %v", n, err)
		}
		park(t, c, newSleeper())
		if !c.Unpark() {
			t.Fatal("not parked")
		}
	}
}
