package tunnel

import (
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

const soon = time.Millisecond

// say sends a message to one end and expects it at the other.
func say(t testing.TB, from, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(from, text); err != nil {
		t.Fatal(err)
	}
	expect(t, to, text)
}

func expect(t testing.TB, c net.Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("%q arrived of %q: %v", b, text, err)
	}
}

func TestMessagesPassAcrossParks(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, soon, law(0))
		client, server := r.open(k)
		for range 20 {
			r.quiet(2)
			say(t, client, server, "ping")
			say(t, server, client, "pong")
			r.quiet(2)
			say(t, server, client, "news")
		}
		if n := r.gov.Open(); n != 2 {
			t.Errorf("%d connections are open", n)
		}
	})
}

func TestEarlyBytesGoFirst(t *testing.T) {
	r := newRig(t, soon, law(0))
	a, client := r.end(abi.SideAccepted, false)
	b, server := r.end(abi.SideDialled, false)
	a.Early, b.Early = []byte("hello "), []byte("welcome ")
	io.WriteString(client, "world")
	io.WriteString(server, "home")
	r.group.Open(a, b)
	expect(t, server, "hello world")
	expect(t, client, "welcome home")
}

func TestHalfCloseWhileParked(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, soon, law(0))
		client, server := r.open(k)
		r.quiet(2)
		closeWrite(t, client)
		if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("%d bytes, %v; want an end", n, err)
		}
		r.quiet(1) // the other direction sleeps on
		r.gov.Each(func(c *idle.Conn) bool {
			if c.Phase() != abi.PhaseHalfClosed {
				t.Errorf("%v connection in phase %v", c.Side(), c.Phase())
			}
			return true
		})
		say(t, server, client, "the last word")
		r.quiet(1)
		closeWrite(t, server)
		if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("%d bytes, %v; want an end", n, err)
		}
		eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
	})
}

func TestLastWordsAndEndTogether(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, soon, law(0))
		client, server := r.open(k)
		r.quiet(2)
		io.WriteString(server, "good-bye")
		closeWrite(t, server)
		if b, err := io.ReadAll(client); string(b) != "good-bye" || err != nil {
			t.Fatalf("read %q, %v; want good-bye", b, err)
		}
		io.WriteString(client, "bye")
		client.Close()
		if b, err := io.ReadAll(server); string(b) != "bye" || err != nil {
			t.Fatalf("read %q, %v; want bye", b, err)
		}
		eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
	})
}

func TestResetWhileParkedEndsBoth(t *testing.T) {
	for _, name := range []string{"client", "server"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, soon, law(0))
			client, server := r.open(kinds[0])
			r.quiet(2)
			gone, other := client, server
			if name == "server" {
				gone, other = server, client
			}
			gone.(*net.TCPConn).SetLinger(0)
			gone.Close()
			if b, err := io.ReadAll(other); len(b) != 0 || err != nil {
				t.Errorf("%q, %v; want an end", b, err)
			}
			eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
		})
	}
}

func TestPolicyEndsAParkedTunnel(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, soon, law(100*time.Millisecond))
		client, server := r.open(k)
		eventually(t, "parked", func() bool { return r.gov.Parked() == 2 || r.gov.Open() == 0 })
		for _, c := range []net.Conn{client, server} {
			// Over TLS without a good-bye this is io.ErrUnexpectedEOF.
			if b, err := io.ReadAll(c); len(b) != 0 || err != nil {
				t.Errorf("%q, %v; want an end", b, err)
			}
		}
		eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
		if got := r.ends.reasons(); got[policy.ReasonDefault] == 0 || got[policy.ReasonError] != 0 {
			t.Errorf("reasons: %v", got)
		}
	})
}

func TestPolicyEndsAWaitingTunnel(t *testing.T) {
	r := newRig(t, -1, law(30*time.Millisecond)) // nothing is ever parked
	client, server := r.open(kinds[0])
	say(t, client, server, "x")
	for _, c := range []net.Conn{client, server} {
		if b, err := io.ReadAll(c); len(b) != 0 || err != nil {
			t.Errorf("%q, %v; want an end", b, err)
		}
	}
	eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
}

// TestMessageLeavesTheOtherEndAsleep: one message through a sleeping tunnel
// wakes only the direction that it takes; more wake both.
func TestMessageLeavesTheOtherEndAsleep(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, soon, law(0))
		a, client := r.end(abi.SideAccepted, k.secureDown)
		b, server := r.end(abi.SideDialled, k.isSecUp)
		tn := &tunnel{group: r.group, ends: [2]end{{conn: a.Conn, stream: a.Stream}, {conn: b.Conn, stream: b.Stream}}}
		tn.setPhase(abi.PhaseTunnel)
		if tn.sleep(0) != resultParked || tn.sleep(1) != resultParked {
			t.Fatal("not parked")
		}
		// A session ticket, which is no message, may have woken an end for a moment.
		eventually(t, "asleep", func() bool { return r.gov.Parked() == 2 && running() == 0 })
		f := flow{tunnel: tn, from: 0}
		if err := f.write([]byte("one"), false); err != nil {
			t.Fatal(err)
		}
		if n := running(); tn.ends[1].state != asleep || r.gov.Parked() != 2 || n != 0 {
			t.Errorf("state %v, %d parked, %d goroutines", tn.ends[1].state, r.gov.Parked(), n)
		}
		if err := f.write([]byte("two"), false); err != nil {
			t.Fatal(err)
		}
		expect(t, server, "onetwo")
		eventually(t, "asleep again", func() bool { return r.gov.Parked() == 2 && running() == 0 })
		say(t, server, client, "answer")
	})
}

// TestShutWindowHoldsUpOneDirectionOnly: a peer that does not take what it is
// sent may still speak, and be waiting for an answer to that.
func TestShutWindowHoldsUpOneDirectionOnly(t *testing.T) {
	flood := make([]byte, 16<<20)
	t.Run("flowing", func(t *testing.T) {
		r := newRig(t, soon, law(0))
		client, server := r.open(kinds[0])
		sent := make(chan error, 1)
		go func() {
			_, err := server.Write(flood)
			sent <- err
		}()
		for range 50 {
			say(t, client, server, "x")
			<-time.After(2 * soon)
		}
		if n, err := io.CopyN(io.Discard, client, int64(len(flood))); int(n) != len(flood) || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		r.quiet(2)
	})
	t.Run("asleep", func(t *testing.T) {
		r := newRig(t, soon, law(0))
		a, client := r.end(abi.SideAccepted, false)
		b, server := r.end(abi.SideDialled, false)
		tn := &tunnel{group: r.group, ends: [2]end{{conn: a.Conn, stream: a.Stream}, {conn: b.Conn, stream: b.Stream}}}
		tn.setPhase(abi.PhaseTunnel)
		tn.sleep(0)
		tn.sleep(1)
		sent := make(chan error, 1)
		go func() { sent <- (&flow{tunnel: tn, from: 1}).write(flood, false) }()
		eventually(t, "the client's end is held", func() bool { return r.gov.Parked() == 1 })
		say(t, client, server, "x")
		if n, err := io.CopyN(io.Discard, client, int64(len(flood))); int(n) != len(flood) || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		r.quiet(2)
		say(t, client, server, "y")
		tn.end()
	})
}

func TestClosedGroup(t *testing.T) {
	r := newRig(t, soon, law(0))
	client, _ := r.open(kinds[0])
	r.quiet(2)
	r.group.Close() // does not wait for what sleeps
	io.WriteString(client, "anybody there?")
	eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
	r.open(kinds[0])
	eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
}

func TestClosingParkedConnectionsLeavesNothing(t *testing.T) {
	r := newRig(t, soon, law(0))
	for range 50 {
		r.open(kinds[0])
	}
	r.quiet(100)
	r.gov.Each(func(c *idle.Conn) bool { c.Close(); return true })
	r.group.Close()
	if r.gov.Open() != 0 || r.gov.Parked() != 0 {
		t.Errorf("%d open, %d parked", r.gov.Open(), r.gov.Parked())
	}
}

func TestIdleTunnelsHaveNoGoroutines(t *testing.T) {
	r := newRig(t, 10*time.Millisecond, law(0))
	client, server := r.open(kinds[0])
	say(t, client, server, "x")
	r.quiet(2)
	base := runtime.NumGoroutine()
	for range 1000 {
		r.open(kinds[0])
	}
	r.quiet(2002)
	eventually(t, "no goroutine over base", func() bool { return runtime.NumGoroutine() <= base })
	say(t, client, server, "y")
}

func TestRecordIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(tunnel{}); n > 96 {
		t.Errorf("the record of a tunnel takes %d bytes", n)
	}
}

// TestAwakeTunnelAllocatesNothing: a message through a tunnel that is awake.
func TestAwakeTunnelAllocatesNothing(t *testing.T) {
	r := newRig(t, time.Hour, law(0))
	a, client := r.end(abi.SideAccepted, false)
	b, server := r.end(abi.SideDialled, false)
	tn := &tunnel{group: r.group, ends: [2]end{{conn: a.Conn, stream: a.Stream}, {conn: b.Conn, stream: b.Stream}}}
	f := flow{tunnel: tn, from: 0}
	p, text := make([]byte, smallSize), []byte("message")
	if n := testing.AllocsPerRun(100, func() {
		client.Write(text)
		n, err := f.read(p)
		if err == nil {
			err = f.write(p[:n], false)
		}
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(server, p[:n])
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// spliceRig is a flow in clear, from the client to the server.
func spliceRig(t *testing.T, l policy.Timeouts) (f *flow, client, server net.Conn) {
	r := newRig(t, soon, l)
	a, client := r.end(abi.SideAccepted, false)
	b, server := r.end(abi.SideDialled, false)
	tn := &tunnel{group: r.group, ends: [2]end{{conn: a.Conn, stream: a.Stream}, {conn: b.Conn, stream: b.Stream}}}
	tn.setPhase(abi.PhaseTunnel)
	t.Cleanup(tn.end)
	return &flow{tunnel: tn, from: 0}, client, server
}

func TestSplice(t *testing.T) {
	t.Run("pause", func(t *testing.T) {
		f, client, server := spliceRig(t, law(0))
		if !f.spliceable() {
			t.Fatal("not clear")
		}
		io.WriteString(client, "what came")
		if err := f.splice(); err != nil {
			t.Fatal(err)
		}
		expect(t, server, "what came")
		got := make([]byte, 9)
		// The deadline of the splice must not end what comes after it.
		go io.WriteString(client, "later")
		if n, err := f.read(got); string(got[:n]) != "later" || err != nil {
			t.Fatalf("read %q, %v; want later", got[:n], err)
		}
	})
	t.Run("end", func(t *testing.T) {
		f, client, server := spliceRig(t, law(0))
		io.WriteString(client, "all")
		closeWrite(t, client)
		if err := f.splice(); err != io.EOF {
			t.Fatalf("%v, want io.EOF", err)
		}
		expect(t, server, "all")
	})
	t.Run("policy", func(t *testing.T) {
		f, _, _ := spliceRig(t, law(20*time.Millisecond))
		if err := f.splice(); err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("%v, want an end by policy", err)
		}
	})
	t.Run("broken", func(t *testing.T) {
		f, client, server := spliceRig(t, law(0))
		server.(*net.TCPConn).SetLinger(0)
		server.Close()
		go io.Copy(client, neverEnding{})
		if err := f.splice(); err == nil || err == io.EOF {
			t.Fatalf("%v, want a broken connection", err)
		}
		client.Close()
	})
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

// TestByteAtTheDeadline sends a word at about the time at which the policy ends
// a parked tunnel: it arrives whole or the sender sees an end, never neither.
func TestByteAtTheDeadline(t *testing.T) {
	const lease = 20 * time.Millisecond
	r := newRig(t, soon, law(lease))
	passed := 0
	for i := range 40 {
		client, server := r.open(kinds[0])
		eventually(t, "parked", func() bool { return r.gov.Parked() == 2 || r.gov.Open() == 0 })
		<-time.After(lease - 4*soon + time.Duration(i)*soon/8)
		io.WriteString(client, "word") // may find it closed
		got, err := io.ReadAll(server) // until the lease is over
		switch {
		case string(got) == "word":
			passed++
		case len(got) != 0 || err != nil && !errors.Is(err, syscall.ECONNRESET):
			t.Fatalf("read %q, %v; want the word, or an end", got, err)
		}
		if b, _ := io.ReadAll(client); len(b) != 0 {
			t.Fatalf("read %q, want an end", b)
		}
		eventually(t, "both sides closed", func() bool { return r.gov.Open() == 0 })
	}
	t.Logf("%d of 40 words were faster", passed)
}
