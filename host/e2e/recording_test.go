package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// studied replays a recording through policies.
func studied(t *testing.T, o operator, file string, policies ...string) (s study.Study) {
	t.Helper()
	args := []string{"replay", "--trace", file}
	for _, p := range policies {
		args = append(args, "--policy", p)
	}
	o.read(&s, args...)
	return s
}

// recorded counts what a recording holds, by kind.
func recorded(t *testing.T, o operator, file string) map[string]int {
	t.Helper()
	kinds := map[string]int{}
	for line := range strings.Lines(o.do("trace", "show", file, "--json")) {
		var r struct{ Kind, Protocol, Phase string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds[r.Kind]++
		kinds[r.Protocol]++
		kinds[r.Kind+" "+r.Phase]++
	}
	return kinds
}

// closing closes what has not been used for d.
func closing(d time.Duration) []byte {
	return wasmtest.Guest(leasing(d), wasmtest.Returns("on_timeout", abi.Verdict(abi.ActionClose, 0, 0, 7))).Bytes()
}

// TestRecordedRollout has a tenant recorded while it tries one version in the
// shadow and another as canary; what each of them has done is in one report.
func TestRecordedRollout(t *testing.T) {
	const clients, idle = 40, 60 * time.Millisecond
	h, o := startTown(t, fmt.Sprintf("[[listener]]\naddress = \"127.0.0.1:0\"\n[record]\ndir = %q\n", t.TempDir()))
	o.do("tenant", "set", "a", "--floor", "20ms")
	active := o.push("a", "keeping.wasm", keeping(idle, 1), "--promote")
	canary := o.push("a", "closing.wasm", closing(idle), "--canary", "50")
	shadow := o.push("a", "other.wasm", keeping(time.Minute, 2), "--shadow")
	began := time.Now()
	o.do("tenant", "record", "start", "-t", "a")
	var askers []asker
	for i := range clients {
		ask := askOn(connect(t, fmt.Sprintf("127.0.2.%d", i+1), h.Addr))
		askers = append(askers, ask)
		if got := ask("a.example"); got != "a" {
			t.Fatalf("client %d: %s", i, got)
		}
	}
	kept := sidesOf(t, o)
	hosttest.Until(t, "the canary closes its clients' connections", func() bool {
		kept = sidesOf(t, o)
		for _, version := range kept {
			if version == canary {
				return false
			}
		}
		return true
	})
	if len(kept) < 7 || len(kept) > 33 { // 4 standard deviations
		t.Errorf("%d of %d clients are left", len(kept), clients)
	}
	for i, ask := range askers {
		if _, there := kept[fmt.Sprintf("127.0.2.%d", i+1)]; !there {
			ask = askOn(connect(t, fmt.Sprintf("127.0.2.%d", i+1), h.Addr))
		}
		if got := ask("a.example"); got != "a" {
			t.Errorf("client %d, later: %s", i, got)
		}
	}
	o.do("tenant", "record", "stop", "-t", "a")
	took := time.Since(began)
	file := filepath.Join(t.TempDir(), "a.trace")
	o.do("tenant", "record", "download", "-t", "a", "-o", file)

	arms := map[string]study.Outcome{}
	s := studied(t, o, file, "fixed:10s")
	if s.Trace.SpanMs > took.Milliseconds()+20 {
		t.Errorf("it lasts %d ms, and was over after %v", s.Trace.SpanMs, took)
	}
	for _, p := range s.Policies {
		if p.Source != "replay" {
			arms[p.Digest] = p
		} else if p.Total.Premature != 0 {
			t.Errorf("%s: %+v", p.Name, p.Total)
		}
	}
	if len(arms) != 3 {
		t.Errorf("the report knows %d versions", len(arms))
	}
	gone := int64(clients - len(kept))
	if a := arms[active]; a.Source != "recorded" || a.Total.Premature != 0 || a.Total.Requests != 2*clients+int64(2*len(kept)) { // and what was dialled for all
		t.Errorf("active: %s, %+v", a.Source, a.Total)
	}
	if c := arms[canary]; c.Source != "recorded" || c.Total.Premature != gone || c.Total.Requests != 2*gone {
		t.Errorf("canary, with %d clients: %s, %+v", gone, c.Source, c.Total)
	}
	if x := arms[shadow]; x.Source != "shadow" || x.Total.Premature != 0 || x.Total.Asks == 0 {
		t.Errorf("shadow: %s, %+v", x.Source, x.Total)
	}
}

// TestRecordsSecureTunnels: TLS, and WebSockets within, which are asked about
// as tunnels.
func TestRecordsSecureTunnels(t *testing.T) {
	back := newBackend(t)
	back.mux.HandleFunc("/ws", echo)
	cert := newCertificate(t)
	file := filepath.Join(t.TempDir(), "live.trace")
	h := startHost(t, back.url("http"), append(cert.flags(), "--record", file)...)
	ctx, cancel := context.WithTimeout(t.Context(), hosttest.Patience)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: cert.client()}
	c, _, err := websocket.Dial(ctx, h.URL("wss", "/ws"), &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(ctx); err != nil || string(got) != "hello" {
			t.Fatalf("echo: %q, %v", got, err)
		}
	}
	c.CloseNow()
	hosttest.Until(t, "both connections of the tunnel end", func() bool {
		return h.Metric(t, "host_idle_open_connections", `protocol="websocket"`) == 0
	})
	h.Signal(t, syscall.SIGTERM)
	if code := h.Exit(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	o := newOperator(t, h)
	got := recorded(t, o, file)
	if got["open"] != 2 || got["close"] != 2 || got["phase tunnel"] < 2 || got["ask"] != 2 || got["websocket"] < 2 {
		t.Errorf("the recording holds %v", got)
	}
	if s := studied(t, o, file, "fixed:10s"); s.Trace.Connections != 2 || s.Trace.Clients != 2 || s.Trace.Lost != 0 { // one of them is dialled
		t.Errorf("the study saw %+v, want 2 connections of 2 clients and nothing lost", s.Trace)
	}
}

// TestAKilledHostLeavesARecording, whole up to the last second, and one that
// starts again as it was started records beside it.
func TestAKilledHostLeavesARecording(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "live.trace")
	var o operator
	for i, name := range []string{file, strings.Replace(file, "live", "live-2", 1)} {
		h := hosttest.StartHost(t, path, "--record", file, "--plugin", "adaptive")
		o = newOperator(t, h)
		ask := askOn(connect(t, "", h.Addr))
		for range 100 {
			if got := ask("a.example"); strings.HasPrefix(got, "5") {
				t.Fatal(got)
			}
		}
		hosttest.Until(t, "all is in the file", func() bool {
			info, err := os.Stat(name)
			return err == nil && info.Size() > 100*10
		})
		h.Signal(t, syscall.SIGKILL)
		h.Exit(t)
		if got := recorded(t, o, name); got["open"] != 1 || got["begin"] < 50 || got["ask"] == 0 {
			t.Errorf("recording %d holds %v", i+1, got)
		}
		if s := studied(t, o, name, "adaptive"); s.Trace.Requests < 50 {
			t.Errorf("recording %d: %+v", i+1, s.Trace)
		}
	}
}
