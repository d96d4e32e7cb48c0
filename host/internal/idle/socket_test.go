package idle

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// sockets returns a governed loopback connection and its far end.
func sockets(t testing.TB, g *Governor, a *Account, side policy.Side) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := g.Govern(near, a, side)
	c.SetProtocol(abi.ProtocolHTTP1)
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, far.(*net.TCPConn)
}

func account() *Account {
	return NewAccount("acme", decide(native), books.New(books.Config{}), testTimeouts, policy.Limits{})
}

// A request that reached the machine before the decision to close wins,
// whether the decision comes before or while the server reads.
func TestBytesThatAreThereWinAgainstTheEnd(t *testing.T) {
	g := New(Config{Linger: -1})
	defer g.Close()
	a := account()
	for i := range 300 {
		c, far := sockets(t, g, a, abi.SideAccepted)
		if err := c.Admit(nil); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if i%2 == 0 {
				c.Shut(policy.ReasonPolicy)
			}
		})
		if _, err := far.Write([]byte("GET")); err != nil { // in the kernel's buffer when it returns
			t.Fatal(err)
		}
		if i%2 == 1 {
			c.Shut(policy.ReasonPolicy)
		}
		p := make([]byte, 16)
		n, err := c.Read(p)
		wg.Wait()
		if i%2 == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			continue // the end was first
		}
		if err != nil || string(p[:n]) != "GET" {
			t.Fatalf("%d: %q, %v", i, p[:n], err)
		}
		if i%2 == 1 {
			if _, ok := c.Ending(); ok || c.Phase() != abi.PhaseHeader {
				t.Fatal("the end was not taken back", c.Phase())
			}
		}
		c.Close()
		far.Close()
	}
}

// TestRaceIsLossless lets a client's write race the end while the server is
// blocked in Read: either the server reads the bytes and goes on, or the
// client reads an end without having been answered; never is a byte read and
// the connection ended all the same.
func TestRaceIsLossless(t *testing.T) {
	g := New(Config{Linger: -1})
	defer g.Close()
	a := account()
	won, ended := 0, 0
	for range 500 {
		c, far := sockets(t, g, a, abi.SideAccepted)
		if err := c.Admit(nil); err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 16))
			read <- err
		}()
		var wg sync.WaitGroup
		wg.Go(func() { c.Shut(policy.ReasonPolicy) })
		wg.Go(func() { far.Write([]byte("GET")) })
		wg.Wait()
		_, ending := c.Ending()
		switch err := <-read; {
		case err == nil:
			won++
			if _, ending = c.Ending(); ending && c.endPhase == abi.PhaseIdle {
				t.Fatal("read the bytes, and ended as idle")
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			ended++
			if !ending {
				t.Fatal("a deadline without an end")
			}
		default:
			t.Fatal(err)
		}
		c.Close()
		far.Close()
	}
	t.Logf("%d bytes won, %d ends won", won, ended)
}

func TestSpliceBothWaysWithHalfClose(t *testing.T) {
	g := New(Config{})
	defer g.Close()
	a := account()
	left, client := sockets(t, g, a, abi.SideAccepted)
	right, server := sockets(t, g, a, abi.SideDialled)
	for _, c := range []*Conn{left, right} {
		if err := c.Admit(nil); err != nil {
			t.Fatal(err)
		}
		c.SetPhase(abi.PhaseTunnel)
	}
	up, down := random(3<<20+17), random(5<<20+1)
	var wg sync.WaitGroup
	relay := func(dst, src *Conn) {
		if _, err := io.Copy(dst, src); err != nil {
			t.Error(err)
		}
		dst.CloseWrite()
	}
	wg.Go(func() { relay(right, left) })
	wg.Go(func() { relay(left, right) })
	send := func(c *net.TCPConn, data []byte) {
		if _, err := c.Write(data); err != nil {
			t.Error(err)
		}
		c.CloseWrite()
	}
	wg.Go(func() { send(client, up) })
	wg.Go(func() { send(server, down) })
	for c, want := range map[*net.TCPConn][]byte{client: down, server: up} {
		wg.Go(func() {
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
			}
		})
	}
	wg.Wait()
	if left.bytesIn.Load() != uint64(len(up)) || left.bytesOut.Load() != uint64(len(down)) {
		t.Fatalf("counted %d in, %d out", left.bytesIn.Load(), left.bytesOut.Load())
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestAnEndInterruptsASplice(t *testing.T) {
	g := New(Config{})
	defer g.Close()
	a := account()
	left, _ := sockets(t, g, a, abi.SideAccepted)
	right, _ := sockets(t, g, a, abi.SideDialled)
	left.SetPhase(abi.PhaseTunnel)
	done := make(chan error, 1)
	go func() { _, err := io.Copy(right, left); done <- err }()
	left.Shut(policy.ReasonPolicy)
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestTheKernelKnowsMore(t *testing.T) {
	g := New(Config{})
	defer g.Close()
	c, far := sockets(t, g, account(), abi.SideAccepted)
	far.Write([]byte("hello"))
	io.ReadFull(c, make([]byte, 5))
	info, ok := newProbe().tcp(rawConn(c.inner))
	if !ok {
		t.Skip("no TCP_INFO here")
	}
	if info.received != 5 || info.rttUs == 0 {
		t.Fatalf("TCP_INFO %+v, want 5 bytes received and a round trip", info)
	}
	far.Write([]byte("more"))
	for unread(c.inner) != 4 {
		if info.received > 9 {
			t.Fatal("impossible")
		}
	}
}

// The hot path allocates nothing, with books and an observer.
func TestHotPathAllocs(t *testing.T) {
	g := New(Config{})
	defer g.Close()
	c, far := sockets(t, g, account(), abi.SideAccepted)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	p, q := make([]byte, 64), make([]byte, 64)
	if n := testing.AllocsPerRun(500, func() {
		far.Write(q)
		if _, err := io.ReadFull(c, p); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Time{})
		c.Begin(0, false)
		c.Write(q)
		io.ReadFull(far, q)
		c.End()
	}); n != 0 {
		t.Fatalf("%v allocations a request", n)
	}
}

// An ask allocates nothing either.
func TestAskAllocs(t *testing.T) {
	g := New(Config{})
	defer g.Close()
	c, _ := sockets(t, g, account(), abi.SideAccepted)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	q := newQuestion()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := testing.AllocsPerRun(100, func() { c.askLocked(q, abi.KindTimeout, g.clock.now()) }); n != 0 {
		t.Fatalf("%v allocations an ask", n)
	}
}

// TestHammer lets everything that may happen to a connection happen at once.
func TestHammer(t *testing.T) {
	g := New(Config{Granularity: time.Millisecond, Linger: time.Millisecond})
	a := NewAccount("acme", decide(func(q *policy.Ask) policy.Verdict {
		switch q.Event.Random % 4 {
		case 0:
			return policy.Verdict{Action: abi.ActionClose}
		case 1:
			q.Event.Leases[abi.PhaseIdle] = 1
			return policy.Verdict{Leases: true}
		}
		return extend(time.Millisecond)
	}), books.New(books.Config{}), testTimeouts, policy.Limits{Connections: 20, Ceiling: 5 * time.Millisecond})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 40 {
				hammerOne(t, g, a)
			}
		})
	}
	scrape := make(chan struct{})
	wg.Go(func() {
		for range 200 {
			g.Each(func(c *Conn) bool { _ = c.Phase(); _ = c.Protocol(); return true })
		}
		close(scrape)
	})
	wg.Wait()
	<-scrape
	if g.Open() != 0 || a.Open() != 0 {
		t.Fatalf("%d open, %d of the account", g.Open(), a.Open())
	}
	g.Close()
}

func hammerOne(t *testing.T, g *Governor, a *Account) {
	c, far := sockets(t, g, a, abi.SideAccepted)
	if c.Admit(nil) != nil {
		c.Close()
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		p := make([]byte, 64)
		for {
			n, err := c.Read(p)
			if err != nil {
				c.Close()
				return
			}
			c.Begin(uint16(n), n%2 == 0)
			c.SetReadDeadline(time.Time{})
			c.Write(p[:n])
			c.End()
		}
	})
	wg.Go(func() {
		for i := range 20 {
			if _, err := fmt.Fprint(far, i); err != nil {
				return
			}
		}
	})
	wg.Go(func() { io.Copy(io.Discard, far) })
	wg.Go(func() {
		c.Control()
		c.SetPhase(abi.PhaseTunnel)
		c.Ending()
		c.Shut(policy.ReasonDrain)
		c.SetReadDeadline(time.Now().Add(time.Hour))
	})
	wg.Wait()
}

func BenchmarkRead(b *testing.B) {
	g := New(Config{})
	defer g.Close()
	c := g.Govern(endless{}, account(), abi.SideAccepted)
	c.SetPhase(abi.PhaseTunnel)
	p := make([]byte, 64)
	for b.Loop() {
		c.Read(p)
	}
}

func BenchmarkRequest(b *testing.B) {
	g := New(Config{})
	defer g.Close()
	c := g.Govern(endless{}, account(), abi.SideAccepted)
	c.Admit(nil)
	p := make([]byte, 64)
	for b.Loop() {
		c.Read(p)
		c.Begin(0, false)
		c.Write(p)
		c.End()
	}
}

// endless is a connection that never blocks.
type endless struct{ net.Conn }

func (endless) Read(p []byte) (int, error)       { return len(p), nil }
func (endless) Write(p []byte) (int, error)      { return len(p), nil }
func (endless) RemoteAddr() net.Addr             { return nil }
func (endless) SetReadDeadline(time.Time) error  { return nil }
func (endless) SetWriteDeadline(time.Time) error { return nil }
func (endless) Close() error                     { return nil }

// BenchmarkAsk is one timeout: the event filled from connection, kernel and
// books, and a native answer.
func BenchmarkAsk(b *testing.B) {
	g := New(Config{})
	defer g.Close()
	c, _ := sockets(b, g, account(), abi.SideAccepted)
	if err := c.Admit(nil); err != nil {
		b.Fatal(err)
	}
	q := newQuestion()
	c.mu.Lock()
	defer c.mu.Unlock()
	for b.Loop() {
		c.askLocked(q, abi.KindTimeout, g.clock.now())
	}
}

// BenchmarkAskLater is the same with an answer that comes after the call.
func BenchmarkAskLater(b *testing.B) {
	g := New(Config{})
	defer g.Close()
	var put *policy.Ask
	c, _ := sockets(b, g, account(), abi.SideAccepted)
	c.account.Policy = decide(func(a *policy.Ask) policy.Verdict {
		put = a
		return policy.Verdict{Source: policy.SourcePending}
	})
	if err := c.Admit(nil); err != nil {
		b.Fatal(err)
	}
	put.Reply.Answered(put, extend(time.Hour))
	q := newQuestion()
	b.ReportAllocs()
	for b.Loop() {
		c.mu.Lock()
		c.askLocked(q, abi.KindTimeout, g.clock.now())
		c.mu.Unlock()
		put.Reply.Answered(put, extend(time.Hour))
	}
}

// Two tenants' books count their generations alike; an ask must not show one
// the other's histogram.
func TestTenantsDoNotSeeEachOthersGaps(t *testing.T) {
	g := New(Config{})
	defer g.Close()
	q := newQuestion()
	var seen []uint32
	look := decide(func(a *policy.Ask) policy.Verdict {
		seen = append(seen, a.Gaps.Returned[abi.Bin(5000)], a.Gaps.Returned[abi.Bin(100)])
		return policy.Verdict{}
	})
	for _, gap := range []uint32{5000, 100} {
		a := NewAccount("t", look, books.New(books.Config{}), testTimeouts, policy.Limits{})
		a.Books.Returned(1, 0, gap)
		c, _ := sockets(t, g, a, abi.SideAccepted)
		c.mu.Lock()
		c.askLocked(q, abi.KindTimeout, g.clock.now())
		c.mu.Unlock()
	}
	if seen[0] == 0 || seen[1] != 0 || seen[2] != 0 || seen[3] == 0 {
		t.Fatal(seen)
	}
}
