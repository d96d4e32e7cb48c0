package h2

import (
	"context"
	"io"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestH2spec runs the conformance suite twice, each time through a relay that
// holds back what the client sends: once for long enough that the session parks
// before every step of every case that leaves it without streams, once against
// sessions that never park. Parking must not fail a case that passes without.
func TestH2spec(t *testing.T) {
	tool(t, "h2spec")
	each(t, func(t *testing.T, secured bool) {
		plain := h2spec(t, newHost(t, hostConfig{tls: secured, table: true}))
		h := newHost(t, hostConfig{tls: secured})
		for _, c := range h2spec(t, h) {
			if !slices.Contains(plain, c) && c != tolerated {
				t.Errorf("fails only with parking: %s", c)
			}
		}
		t.Logf("fail without parking: %q; %d servers and requests with", plain, h.runs.Load())
	})
}

// tolerated is that the server's decoder takes a larger table than the client
// was told to use: until it has seen our SETTINGS it may use one of 4,096.
const tolerated = "1: Sends a dynamic table size update larger than the value of SETTINGS_HEADER_TABLE_SIZE"

var failed = regexp.MustCompile(`(?m)^\s+× (.*)$`)

// h2spec returns the cases that fail.
func h2spec(t *testing.T, h *host) (cases []string) {
	t.Helper()
	host, port, _ := strings.Cut(delay(t, h.addr, 5*time.Millisecond), ":")
	args := []string{"-h", host, "-p", port, "-o", "2"}
	if h.cert != nil {
		args = append(args, "-t", "-k")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "h2spec", args...).CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed || !strings.Contains(string(out), " tests, ") {
		t.Fatalf("h2spec: %v\n%s", err, out)
	}
	t.Logf("%s", regexp.MustCompile(`\d+ tests, .*`).Find(out))
	for _, m := range failed.FindAllStringSubmatch(string(out), -1) {
		cases = append(cases, m[1])
	}
	return cases
}

// delay relays connections to an address, and whatever clients send a while
// later.
func delay(t *testing.T, addr string, d time.Duration) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { relay(nc, addr, d) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func relay(nc net.Conn, addr string, d time.Duration) {
	defer nc.Close()
	up, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer up.Close()
	var wg sync.WaitGroup
	wg.Go(func() { // until the host closes
		io.Copy(nc, up)
		nc.Close()
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := nc.Read(buf)
		pause(d)
		if n > 0 {
			if _, err := up.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	up.(*net.TCPConn).CloseWrite()
	wg.Wait()
}
