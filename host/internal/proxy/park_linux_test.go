package proxy_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/longtest"
	"idlehost/sdk/abi"
)

const plainGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"

// next is a request of which every prefix is sent ahead.
const next = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"

func TestPipelinedBytesBeforeTheHandler(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		c := l.talk()
		for n := 1; n <= len(next); n++ {
			c.send(plainGet + next[:n]) // into one buffer
			c.want("GET /a ")
			if n < len(next) {
				l.moment() // long enough to be parked, if that were allowed
				c.send(next[n:])
			}
			c.want("POST /b hello")
			l.parked(1)
		}
	}, h1, h1s)
}

func TestPipelinedBytesDuringTheHandler(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		c := l.talk()
		for i := range len(next) + 9 {
			n := max(1, i-8) // one byte, which never is in the server's buffer, is the worst
			c.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
			<-l.arrived
			c.send(next[:n])
			l.backgroundRead(n)
			l.release <- struct{}{}
			c.want("GET /hold ")
			if n < len(next) {
				l.moment() // long enough to be parked, if that were allowed
				c.send(next[n:])
			}
			c.want("POST /b hello")
			l.parked(1)
		}
	}, h1, h1s)
}

// backgroundRead waits until net/http has taken its byte of n, which over TLS
// takes them all from the kernel.
func (l *lot) backgroundRead(n int) {
	l.t.Helper()
	left := n - 1
	if l.mode.tls() {
		left = 0
	}
	eventually(l.t, "net/http reads in the background", func() bool {
		queued := -1
		l.gov.Each(func(c *idle.Conn) bool {
			if rc, err := c.SyscallConn(); err == nil {
				rc.Control(func(fd uintptr) { queued, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
			}
			return true
		})
		return queued == left
	})
}

func TestPipelinedBytesAfterTheHandler(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		c := l.talk()
		for n := 1; n <= len(next); n++ {
			c.send(plainGet)
			c.want("GET /a ")
			l.parked(1)
			c.send(next[:n])
			if n < len(next) {
				l.woken(0)
				l.moment()
				c.send(next[n:])
			}
			c.want("POST /b hello")
		}
	}, h1, h1s)
}

func TestPipelinedRequestsAreAllAnswered(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		c := l.talk()
		for n := range 20 {
			c.send(strings.Repeat(next+plainGet, n))
			for range n {
				c.want("POST /b hello")
				c.want("GET /a ")
			}
			l.parked(1)
		}
	}, h1, h1s)
}

// RFC 9112 section 2.2: old clients send an empty line after a POST's content.
func TestStrayLinesAreSkipped(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		c := l.talk()
		c.send(next)
		c.want("POST /b hello")
		for _, stray := range []string{"\r\n", "\n", "\r\n\r\n"} {
			l.parked(1)
			c.send(stray + plainGet) // with the request
			c.want("GET /a ")
			l.parked(1)
			c.send(stray) // alone, so that it sleeps on
			l.moment()
			l.parked(1)
			c.send(plainGet)
			c.want("GET /a ")
			l.parked(1)
			for _, b := range stray + plainGet { // byte by byte
				c.send(string(b))
			}
			c.want("GET /a ")
		}
		l.parked(1)
		c.send("\r\n\r\n\r\n" + plainGet)
		if got, _ := c.answer(); !strings.HasPrefix(got, "400") {
			t.Errorf("six stray bytes are answered %q", got)
		}
	}, h1, h1s)
}

func TestRecordsInOneSegment(t *testing.T) {
	l := newLot(t, h1s, policy.Timeouts{})
	c := l.talk()
	for n := range len(next) + 1 {
		for _, head := range []string{plainGet, next} {
			c.cork(func() { // two records, of which the first ends within a request
				c.send(head + next[:n])
				if n < len(next) {
					c.send(next[n:])
				}
			})
			for _, path := range []string{head, next} {
				if path == plainGet {
					c.want("GET /a ")
				} else {
					c.want("POST /b hello")
				}
			}
			l.parked(1)
		}
	}
}

func TestPeerClosesWhileParked(t *testing.T) {
	for name, how := range map[string]func(*talker){
		"close": func(c *talker) { c.nc.Close() }, // over TLS with a close_notify
		"fin":   func(c *talker) { c.tcp().Close() },
		"rst":   func(c *talker) { c.tcp().SetLinger(0); c.tcp().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				l := newLot(t, m, policy.Timeouts{})
				for _, silent := range []bool{true, false} {
					c := l.talk()
					if !silent {
						c.send(plainGet)
						c.want("GET /a ")
					}
					l.parked(1)
					how(c)
					eventually(t, "closed", func() bool { return l.gov.Open() == 0 })
				}
				want := policy.ReasonPeer
				if m.tls() && name == "close" { // crypto/tls does not read beyond the alert
					want = policy.ReasonLocal
				}
				l.ends.want(t, 2, want)
			}, h1, h1s)
		})
	}
}

func TestDataAndEndTogether(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		for range 20 {
			c := l.talk()
			c.send(plainGet)
			c.want("GET /a ")
			l.parked(1)
			c.cork(func() {
				c.send("POST /last HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
				if err := c.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				c.tcp().CloseWrite()
			})
			c.want("POST /last hello")
			c.wantEnd()
			c.nc.Close()
			eventually(t, "closed", func() bool { return l.gov.Open() == 0 })
		}
	}, h1, h1s)
}

func TestDescriptorsAreReused(t *testing.T) {
	l := newLot(t, h1, policy.Timeouts{})
	for i := range 300 {
		c := l.talk()
		if i%3 > 0 {
			c.send(plainGet)
			c.want("GET /a ")
		}
		if i%2 > 0 {
			l.parked(1)
		}
		if i%5 == 0 {
			c.tcp().SetLinger(0)
		}
		c.nc.Close() // the next one gets its descriptor, soon or at once
		d := l.talk()
		d.send(next)
		d.want("POST /b hello")
		d.nc.Close()
		eventually(t, "closed", func() bool { return l.gov.Open() == 0 })
	}
}

func TestHijackedConnectionIsNotParked(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		c := l.talk()
		c.send(plainGet)
		c.want("GET /a ")
		l.parked(1)
		c.send("GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n")
		for range 3 {
			c.send("line\n")
			if s, err := c.br.ReadString('\n'); s != "line\n" {
				t.Fatalf("read %q, %v; want a line", s, err)
			}
			l.moment()
			if l.gov.Parked() != 0 {
				t.Error("a connection that net/http has given away is parked")
			}
		}
	}, h1, h1s)
}

func TestHTTP10Parks(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		c := l.talk()
		for range 3 {
			c.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
			c.want("GET /a ")
			l.parked(1)
		}
		c.send("GET /a HTTP/1.0\r\n\r\n")
		c.want("GET /a ")
		c.wantEnd()
	}, h1, h1s)
}

// A decision to end a connection and its client's next request race: either the
// request is answered, or nobody has seen it and its client reads an end. On a
// busy machine that may already be so for a connection's first request.
func TestPolicyRacesFirstByte(t *testing.T) {
	const lease = 40 * time.Millisecond
	many := longtest.Count(t, 160, 2000, "connections")
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, law(abi.PhaseIdle, policy.Timeout{Idle: lease}))
		var answered, ended atomic.Int32
		var wg sync.WaitGroup
		for i := range many {
			c := l.talk()
			wg.Go(func() {
				if !l.race(c, fmt.Sprintf("/first/%04d", i)) {
					return
				}
				<-time.After(lease - 5*time.Millisecond + time.Duration(i%40)*500*time.Microsecond)
				if l.race(c, fmt.Sprintf("/later/%04d", i)) {
					answered.Add(1)
				} else {
					ended.Add(1)
				}
			})
		}
		wg.Wait()
		t.Logf("%d answered, %d ended", answered.Load(), ended.Load())
		eventually(t, "closed", func() bool { return l.gov.Open() == 0 })
		l.nothingSwallowed()
	}, h1, h1s)
}

// race sends a request and reports whether it is answered. One that is not must
// not have been served.
func (l *lot) race(c *talker, path string) bool {
	_, err := io.WriteString(c.nc, raceGet(path))
	var got string
	if err == nil {
		got, err = c.answer()
	}
	if err == nil && got == "GET "+path+" " {
		return true
	}
	if _, seen := l.seen.Load(path); seen {
		l.t.Errorf("request %s was served, and its client got %q, %v", path, got, err)
	}
	if err == nil {
		l.t.Errorf("request %s is answered %q", path, got)
	}
	return false
}

func raceGet(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

// nothingSwallowed checks that every byte that was read belongs to a request
// that was served. Over TLS they cannot be told apart.
func (l *lot) nothingSwallowed() {
	if l.mode.tls() {
		return
	}
	size := uint64(len(raceGet("/first/0000")))
	for _, end := range l.ends.all() {
		if want := uint64(end.Requests) * size; end.BytesIn != want {
			l.t.Errorf("connection %d: %d bytes were read and %d served, ended for %v", end.ID, end.BytesIn, want, end.Reason)
		}
	}
}

func TestDrainWithThousandsParked(t *testing.T) {
	many := longtest.Count(t, 500, 2000, "connections, a quarter of that over TLS")
	run(t, func(t *testing.T, m mode) {
		n := many
		if m.tls() {
			n /= 4
		}
		l := newLot(t, m, policy.Timeouts{})
		var all []*talker
		for i := range n {
			c := l.talk()
			if i%2 > 0 {
				c.send(plainGet)
				c.want("GET /a ")
			}
			all = append(all, c)
		}
		l.parked(n)
		if left := l.gov.Drain(t.Context()); left != 0 {
			t.Errorf("%d connections are left", left)
		}
		for _, c := range all {
			c.wantEnd()
		}
		l.ends.want(t, n, policy.ReasonDrain)
	}, h1, h1s)
}

func TestParkedConnectionsNeedNoGoroutine(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		n := 300
		if m.tls() {
			n = 100
		}
		l := newLot(t, m, policy.Timeouts{})
		l.talk().send(plainGet) // whatever is begun once
		l.parked(1)
		base := runtime.NumGoroutine()
		for i := range n {
			if c := l.talk(); i%2 > 0 {
				c.send(plainGet)
				c.want("GET /a ")
			}
		}
		l.parked(n + 1)
		eventually(t, "goroutines are as few as before", func() bool { return runtime.NumGoroutine() <= base })
	}, h1, h1s)
}

// The Proxy closes while connections wake.
func TestCloseWhileWaking(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		l := newLot(t, m, policy.Timeouts{})
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for i := range 50 {
			c := l.talk()
			if i%2 > 0 {
				c.send(plainGet)
				c.want("GET /a ")
			}
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := io.WriteString(c.nc, plainGet); err != nil {
						return
					}
					if _, err := c.answer(); err != nil {
						return
					}
					<-time.After(2 * time.Millisecond)
				}
			})
		}
		l.moment()
		l.moment()
		l.proxy.Close()
		close(stop)
		wg.Wait()
		if n := l.gov.Open(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
	}, h1, h1s)
}
