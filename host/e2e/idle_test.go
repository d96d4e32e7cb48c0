package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
)

// visit makes one request over a connection of its own and leaves it open.
func visit(t *testing.T, addr, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(hosttest.Patience))
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: e2e\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return c, br
}

// fields decodes a log line.
func fields(t *testing.T, line string) map[string]any {
	t.Helper()
	var f map[string]any
	if err := json.Unmarshal([]byte(line), &f); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return f
}

// TestPolicyCloses is the main job: an idle connection is closed when the
// policy says so, and a log line and a metric say why.
func TestPolicyCloses(t *testing.T) {
	t.Parallel() // it mostly waits
	back := newBackend(t)
	h := startHost(t, back.url("http"), "--plugin", "fixed.wasm", "--plugin-config", "idle=300ms")
	_, br := visit(t, h.Addr, "/hello")
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("idle connection: %v, want EOF", err)
	}
	f := fields(t, h.Line(t, "connection closed", `"side":"accepted"`))
	for key, want := range map[string]any{
		"level": "INFO", "tenant": "default", "protocol": "http1", "phase": "idle", "reason": "policy", "requests": 1.0,
	} {
		if f[key] != want {
			t.Errorf("log line: %s is %v, want %v", key, f[key], want)
		}
	}
	if idle, err := time.ParseDuration(f["idle"].(string)); err != nil || idle < 300*time.Millisecond {
		t.Errorf("log line: idle %v (%v), the policy had said 300ms", f["idle"], err)
	}
	if f["policy"] == "" || !strings.Contains(f["explain"].(string), "policy said close") {
		t.Errorf("log line does not explain: %v", f)
	}
	if n := h.Metric(t, "host_idle_closed_connections_total", `side="accepted"`, `phase="idle"`, `reason="policy"`); n != 1 {
		t.Errorf("metric counts %v such closes, want 1", n)
	}
	if n := h.Metric(t, "host_policy_asks_total", `event="timeout"`, `outcome="close"`); n == 0 {
		t.Error("metric counts no answer to close")
	}
}

// TestSilentConnectionCloses: one that never carries a request has its line.
func TestSilentConnectionCloses(t *testing.T) {
	t.Parallel() // it mostly waits
	back := newBackend(t)
	h := startHost(t, back.url("http"), "--plugin", "fixed.wasm", "--plugin-config", "idle=300ms")
	c, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(hosttest.Patience))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("silent connection: %v, want EOF", err)
	}
	if f := fields(t, h.Line(t, "connection closed", `"side":"accepted"`)); f["requests"] != 0.0 || f["reason"] != "policy" {
		t.Errorf("log line: %v", f)
	}
}

// TestBrokenPolicy: one that cannot be loaded takes nobody down.
func TestBrokenPolicy(t *testing.T) {
	back := newBackend(t)
	h := startHost(t, back.url("http"), "--plugin-optional", "--plugin", writeFile(t, "broken.wasm", "\x00asm\x01\x00\x00\x00"))
	visit(t, h.Addr, "/hello")
	if n := h.Metric(t, "host_policy_loads_total", `outcome="refused"`); n != 1 {
		t.Errorf("metric counts %v refused policies, want 1", n)
	}
	h.Line(t, `"level":"ERROR"`, "broken.wasm")
}
