package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
	"idlehost/sdk/abi"
)

// lot is a proxy that parks at once, in front of a handler of its own.
type lot struct {
	*rig
	mode mode
	ends *ends

	witness          *idle.Conn
	arrived, release chan struct{} // of requests for /hold
	seen             sync.Map      // paths that reached the handler
}

func newLot(t testing.TB, m mode, law policy.Timeouts) *lot {
	l := &lot{
		mode: m, ends: &ends{}, witness: witness(t),
		arrived: make(chan struct{}), release: make(chan struct{}),
	}
	l.rig = start(t, setup{
		mode: m, law: law, park: time.Millisecond, observer: l.ends,
		site: route.Site{Local: http.HandlerFunc(l.serve)},
	})
	return l
}

// serve answers with method, path and content.
func (l *lot) serve(w http.ResponseWriter, r *http.Request) {
	l.seen.Store(r.URL.Path, true)
	b, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		panic(http.ErrAbortHandler)
	case r.Context().Err() != nil && r.URL.Path != "/last": // a Read has failed; net/http takes a client's end for one
		panic(http.ErrAbortHandler)
	case r.URL.Path == "/hold":
		l.arrived <- struct{}{}
		<-l.release
	case r.URL.Path == "/hijack":
		nc, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer nc.Close()
		for {
			line, err := brw.ReadString('\n')
			io.WriteString(nc, line)
			if err != nil {
				return
			}
		}
	}
	fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, b)
}

// parked waits until n connections are.
func (l *lot) parked(n int) {
	l.t.Helper()
	eventually(l.t, fmt.Sprintf("%d connections parked, not %d", n, l.gov.Parked()), func() bool { return l.gov.Parked() == n })
}

// woken waits until only n connections are parked.
func (l *lot) woken(n int) { l.t.Helper(); l.parked(n) }

// witness is a connection of a Governor of its own, which parks at once.
func witness(t testing.TB) *idle.Conn {
	gov := idle.New(idle.Config{Shards: 1, ParkAfter: time.Millisecond, Granularity: time.Millisecond})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	c := gov.Govern(near, idle.NewAccount("witness", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{}), abi.SideAccepted)
	t.Cleanup(func() { c.Close(); far.Close(); gov.Close() })
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// moment lasts until a connection that is quiet from now on is to be parked.
func (l *lot) moment() {
	l.t.Helper()
	l.witness.Doze()
	_, err := l.witness.Read(make([]byte, 1))
	l.witness.Rouse()
	if !errors.Is(err, idle.ErrPark) {
		l.t.Fatalf("the witness reads %v", err)
	}
}

// talker is a client that never retries.
type talker struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

func (l *lot) talk() *talker {
	l.t.Helper()
	nc := l.dial(l.mode, "http/1.1")
	return &talker{t: l.t, nc: nc, br: bufio.NewReader(nc)}
}

func (c *talker) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, s); err != nil {
		c.t.Fatalf("send %q: %v", s, err)
	}
}

// answer reads one.
func (c *talker) answer() (string, error) {
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != 200 {
		return res.Status, err
	}
	return string(b), err
}

func (c *talker) want(s string) {
	c.t.Helper()
	if got, err := c.answer(); got != s || err != nil {
		c.t.Fatalf("answer %q, %v; want %q", got, err, s)
	}
}

// wantEnd checks that nothing but an end is left to read.
func (c *talker) wantEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.br); len(b) > 0 || err != nil {
		c.t.Errorf("%q, %v: want an end", b, err)
	}
}

// tcp is the connection below TLS.
func (c *talker) tcp() *net.TCPConn {
	nc := c.nc
	if u, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = u.NetConn()
	}
	return nc.(*net.TCPConn)
}

// cork holds what is written back, until f has returned.
func (c *talker) cork(f func()) {
	c.t.Helper()
	c.option(unix.IPPROTO_TCP, unix.TCP_CORK, 1)
	f()
	c.option(unix.IPPROTO_TCP, unix.TCP_CORK, 0)
}

func (c *talker) option(level, name, value int) {
	c.t.Helper()
	rc, err := c.tcp().SyscallConn()
	if err == nil {
		rc.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, value) })
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
