package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
)

// slowLaw is short enough for a test, and generous where the honest are
// concerned: a machine that stalls for seconds must not fail it.
const slowLaw = `
[timeouts]
header = "2s"
header_idle = "1500ms"
body = "20s"
body_min_rate = 1000
body_grace = "1s"
`

// trickle writes text a piece at a time until it is all written or the
// connection fails.
func trickle(c net.Conn, text string, piece int, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for len(text) > 0 {
		n, err := io.WriteString(c, text[:min(piece, len(text))])
		if err != nil {
			return err
		}
		text = text[n:]
		<-tick.C
	}
	return nil
}

func TestSlowloris(t *testing.T) {
	t.Parallel() // it mostly waits
	back := newBackend(t)
	h := startHost(t, back.url("http"), "--config", writeFile(t, "host.toml", slowLaw), "--listen", "127.0.0.1:0")
	long := strings.Repeat("X-Slow: 1\r\n", 100_000)
	body := strings.Repeat("x", 100_000)
	for name, c := range map[string]struct{ text, phase, reason string }{
		"header trickles": {"GET /hello HTTP/1.1\r\nHost: e2e\r\n" + long, "header", "progress"},
		"body trickles":   {fmt.Sprintf("POST /sum HTTP/1.1\r\nHost: e2e\r\nContent-Length: %d\r\n\r\n%s", len(body), body), "body", "progress"},
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", h.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(hosttest.Patience))
			ended := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, nc)
				nc.Close() // ends trickle, too
				ended <- err
			}()
			if err := trickle(nc, c.text, 60, 200*time.Millisecond); err == nil {
				t.Error("all of it was taken")
			}
			<-ended
			f := fields(t, h.Line(t, "connection closed", `"side":"accepted"`, `"phase":"`+c.phase+`"`))
			if f["reason"] != c.reason {
				t.Errorf("log line: %v, want reason %s", f, c.reason)
			}
		})
	}
}

// TestHonestSlowUpload takes longer than every grace, at five times the
// minimum rate: it goes through.
func TestHonestSlowUpload(t *testing.T) {
	t.Parallel() // it mostly waits
	back := newBackend(t)
	h := startHost(t, back.url("http"), "--config", writeFile(t, "host.toml", slowLaw), "--listen", "127.0.0.1:0")
	nc, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(hosttest.Patience))
	body := strings.Repeat("x", 20_000)
	if _, err := fmt.Fprintf(nc, "POST /sum HTTP/1.1\r\nHost: e2e\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
		t.Fatal(err)
	}
	if err := trickle(nc, body, 500, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != sumOf([]byte(body)) {
		t.Errorf("%s: %q, %v", resp.Status, got, err)
	}
}
