package e2e

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
)

// startGreeter runs a TCP server that speaks first, and then sends everything
// back, to the end of what it gets.
func startGreeter(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		var open sync.WaitGroup
		defer open.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				io.WriteString(c, "220 ready\r\n")
				io.Copy(c, c)
				c.(*net.TCPConn).CloseWrite()
			})
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	return "tcp://" + l.Addr().String()
}

func TestTCPRelay(t *testing.T) {
	h := startHost(t, startGreeter(t), "--listen", "tcp://127.0.0.1:0")
	c, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(hosttest.Patience))
	greeting := make([]byte, len("220 ready\r\n"))
	if _, err := io.ReadFull(c, greeting); err != nil || string(greeting) != "220 ready\r\n" {
		t.Fatalf("greeting %q, %v", greeting, err)
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(sent)
		if err == nil {
			err = c.(*net.TCPConn).CloseWrite() // the other direction goes on
		}
		written <- err
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	hosttest.Until(t, "both connections end", func() bool { return h.Metric(t, "host_idle_open_connections") == 0 })
}

// TestTCPRelayIdle: a silent tunnel is the policy's, like any connection.
func TestTCPRelayIdle(t *testing.T) {
	t.Parallel() // it mostly waits
	h := startHost(t, startGreeter(t), "--listen", "tcp://127.0.0.1:0", "--plugin", "fixed", "--plugin-config", "tunnel=300ms")
	c, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(hosttest.Patience))
	if got, err := io.ReadAll(c); err != nil || string(got) != "220 ready\r\n" {
		t.Errorf("%q, %v; want the greeting and an end", got, err)
	}
	if f := fields(t, h.Line(t, "connection closed", `"phase":"tunnel"`)); f["reason"] != "policy" || f["protocol"] != "tcp" {
		t.Errorf("log line: %v", f)
	}
}
