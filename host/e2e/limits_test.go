package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
)

// TestLimitOfAClient: it is told, and nobody else is worse off.
func TestLimitOfAClient(t *testing.T) {
	h, o := startTown(t, "")
	o.do("tenant", "set", "a", "--client-connections", "3")
	var open []asker
	come := func(from string) string {
		ask := askOn(connect(t, from, h.Addr))
		got := ask("a.example")
		if got == "a" {
			open = append(open, ask)
		}
		return got
	}
	for i, c := range []struct{ from, want string }{
		{"127.0.0.5", "a"}, {"127.0.0.5", "a"}, {"127.0.0.5", "a"}, {"127.0.0.5", "503"}, {"127.0.0.6", "a"},
	} {
		if got := come(c.from); got != c.want {
			t.Errorf("connection %d, of %s: %s, want %s", i+1, c.from, got, c.want)
		}
	}
	for _, ask := range open {
		if got := ask("a.example"); got != "a" {
			t.Errorf("a connection that was let in: %s", got)
		}
	}
	if got := askOn(connect(t, "127.0.0.5", h.Addr))("b.example"); got != "b" {
		t.Errorf("the same client at b's: %s", got)
	}
	o.do("tenant", "set", "a", "--client-connections", "0")
	if got := come("127.0.0.5"); got != "a" {
		t.Errorf("without the limit: %s", got)
	}
}

// TestLimitOfATenant: idle connections make room for new ones, busy ones do
// not, and nobody else is worse off.
func TestLimitOfATenant(t *testing.T) {
	cert := newCertificate(t, "a.example", "b.example")
	h, o := startTown(t, clearAndTLS(cert))
	release, begun := make(chan struct{}), make(chan struct{}, 10)
	busy := newBackend(t)
	busy.mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-release
	})
	const limit = 4
	o.do("tenant", "set", "a", "--connections", fmt.Sprint(limit))
	var idle []net.Conn
	for range limit + 1 {
		nc := connect(t, "", h.Addr)
		if got := askOn(nc)("a.example"); got != "a" {
			t.Fatalf("a.example: %s", got)
		}
		idle = append(idle, nc)
	}
	hosttest.Until(t, "an idle connection has made room", func() bool { return closed(idle) > 0 })
	if n := closed(idle); n != 1 {
		t.Errorf("%d idle connections have made room for one, want 1", n)
	}

	o.do("tenant", "set", "a", "--upstream", busy.url("http"))
	for range limit {
		nc := connect(t, "", h.Addr)
		fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
		<-begun
	}
	hosttest.Until(t, "all idle connections have made room", func() bool { return closed(idle) == len(idle) })
	if got := askH1(t, h.Addr)("a.example"); got != "503" {
		t.Errorf("with %d busy ones: %s, want 503", limit, got)
	}
	if out, code := newBrowser(t, h.Addrs[1], "--cacert", cert.cert).fails("https", "a.example"); code == 0 {
		t.Errorf("with %d busy ones, over TLS: %s", limit, out)
	}
	if got := askH1(t, h.Addr)("b.example"); got != "b" {
		t.Errorf("b: %s", got)
	}
	if got := newBrowser(t, h.Addrs[1], "--cacert", cert.cert).visit("https", "b.example"); got != "b" {
		t.Errorf("b over TLS: %s", got)
	}
	close(release)
	hosttest.Until(t, "there is room again", func() bool { return askH1(t, h.Addr)("a.example") == "" })
}

// closed counts those that the other side has closed, by looking at each for a
// moment.
func closed(list []net.Conn) (n int) {
	for _, c := range list {
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			n++
		}
	}
	return n
}

// TestFloorAndCeilingOfATenant bound what its policies may say.
func TestFloorAndCeilingOfATenant(t *testing.T) {
	t.Parallel() // it mostly waits
	h, o := startTown(t, "")
	o.do("tenant", "set", "a", "--ceiling", "400ms")
	o.do("policy", "push", "-t", "a", "fixed", "--promote", "--plugin-config", "idle=1h")
	o.do("tenant", "set", "b", "--floor", "1h")
	o.do("policy", "push", "-t", "b", "fixed", "--promote", "--plugin-config", "idle=200ms")
	short, long := connect(t, "", h.Addr), connect(t, "", h.Addr)
	begun := time.Now()
	for c, host := range map[net.Conn]string{short: "a", long: "b"} {
		if got := askOn(c)(host + ".example"); got != host {
			t.Fatalf("%s: %s", host, got)
		}
	}
	if n, err := short.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a's policy said an hour, its ceiling is 400ms: %d bytes, %v, want EOF", n, err)
	}
	if took := time.Since(begun); took < 400*time.Millisecond {
		t.Errorf("closed after %v, the ceiling is 400ms", took)
	}
	var page api.Page[api.Connection]
	o.read(&page, "conns", "-t", "b", "--side", "accepted")
	hour := time.Hour.Milliseconds()
	if len(page.Items) != 1 || page.Items[0].DueMs < hour-time.Minute.Milliseconds() || page.Items[0].DueMs > hour+1000 {
		t.Errorf("b's policy said 200ms, its floor is an hour: %s", fmt.Sprint(page.Items))
	}
	if got := askOn(long)("b.example"); got != "b" {
		t.Errorf("b's connection: %s", got)
	}
}
