package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/config"
)

func TestServesUntilASignal(t *testing.T) {
	up := echo(t, "up")
	r := start(t, func(c *config.Config) { c.Upstream.Targets = []string{up} })
	if status, body := get(t, client(t), r.url(0)+"/x"); status != 200 || body != "up /x" {
		t.Errorf("%d %q", status, body)
	}
	r.signals <- syscall.SIGTERM
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	wants(t, r.log.String(), `"msg":"draining","signal":"terminated"`, `"msg":"drained"`, `"left":0`)
	if _, err := client(t).Get(r.url(0)); err == nil {
		t.Error("answers after the end")
	}
}

func TestIdleConnectionIsClosedAtItsDeadline(t *testing.T) {
	r := start(t, func(c *config.Config) {
		c.Plugin = config.Plugin{Path: "fixed", Config: map[string]string{"idle": "150ms"}}
	})
	nc, err := net.Dial("tcp", strings.TrimPrefix(r.url(0), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	if _, err := io.Copy(io.Discard, nc); err != nil { // until the host closes
		t.Fatal(err)
	}
	log := r.quiesce()
	wants(t, log, `"msg":"connection closed"`, `"protocol":"http1","phase":"idle"`, `"requests":1`)
	told := regexp.MustCompile(`"explain":"idle (\w+) `).FindStringSubmatch(log)
	if told == nil {
		t.Fatalf("the log does not explain the end:\n%s", log)
	}
	if idle, err := time.ParseDuration(told[1]); err != nil || idle < 150*time.Millisecond {
		t.Errorf("closed when idle for %s, want 150ms at least: %v", told[1], err)
	}
	wants(t, r.metricsText(), `host_policy_asks_total{event="accept",outcome="`,
		`host_idle_closed_connections_total{phase="idle",reason="`)
}

func TestDrainFinishesRequests(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "done")
	}))
	defer up.Close()
	r := start(t, func(c *config.Config) { c.Upstream.Targets = []string{up.URL} })
	if err := r.ready(); err != nil && err.Error() != "starting" {
		t.Error(err)
	}
	answer := make(chan string, 1)
	go func() {
		res, err := client(t).Get(r.url(0))
		if err != nil {
			answer <- err.Error()
			return
		}
		b, err := io.ReadAll(res.Body)
		answer <- fmt.Sprint(string(b), err)
	}()
	<-entered
	r.signals <- syscall.SIGTERM
	for r.ready() == nil || r.ready().Error() != "draining" {
		select {
		case got := <-answer:
			t.Fatalf("answered early: %s", got)
		default:
		}
	}
	close(leave)
	if got := <-answer; got != "done<nil>" {
		t.Errorf("the request in flight got %s", got)
	}
	if err := r.wait(); err != nil {
		t.Error(err)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-leave
	}))
	defer up.Close()
	defer close(leave)
	r := start(t, func(c *config.Config) { c.Upstream.Targets = []string{up.URL} })
	go func() {
		if res, err := client(t).Get(r.url(0)); err == nil {
			res.Body.Close()
		}
	}()
	<-entered
	r.signals <- syscall.SIGTERM
	r.signals <- syscall.SIGINT
	if err := r.wait(); !errors.Is(err, ErrCutShort) {
		t.Errorf("Run: %v", err)
	}
	wants(t, r.log.String(), `"left":1`)
}

func TestTCPListenerRelays(t *testing.T) {
	up, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	go func() {
		for {
			nc, err := up.Accept()
			if err != nil {
				return
			}
			io.Copy(nc, nc)
			nc.Close()
		}
	}()
	r := start(t, func(c *config.Config) {
		c.Listeners = append(c.Listeners, config.Listener{Name: "raw", Address: "127.0.0.1:0", Protocol: "tcp", Upstream: []string{"tcp://" + up.Addr().String()}})
	})
	nc, err := net.Dial("tcp", strings.TrimPrefix(r.url(1), "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "there and back")
	nc.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(nc); string(b) != "there and back" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	wants(t, r.out.String(), "tcp://127.0.0.1:", ", TCP -> tcp://")
}

func TestSummaryNamesWhatRuns(t *testing.T) {
	r := start(t, func(c *config.Config) { c.Plugin.Path = "adaptive.wasm" })
	log := r.quiesce()
	wants(t, r.out.String(), "host test\n", "http://127.0.0.1:", "HTTP/1.1 and HTTP/2", "the built-in demo",
		"policy adaptive.wasm (", "admin http://127.0.0.1:", "Try: curl -i http://127.0.0.1:")
	if strings.Contains(log, "ERROR") {
		t.Errorf("log = %s", log)
	}
}

func TestStartErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	broken := dir + "/broken.wasm"
	os.WriteFile(broken, []byte("\x00asm\x01\x00\x00\x00"), 0o600)
	rubbish := dir + "/rubbish.pem"
	os.WriteFile(rubbish, []byte("rubbish"), 0o600)
	for name, tt := range map[string]struct {
		edit       func(*config.Config)
		want, hint string
	}{
		"unknown policy": {func(c *config.Config) { c.Plugin.Path = "adaptve" },
			`plugin.path: "adaptve" is neither a file nor a bundled policy`, "bundled: adaptive, fixed"},
		"policy is a folder": {func(c *config.Config) { c.Plugin.Path = dir }, "is not a regular file", ""},
		"policy refused":     {func(c *config.Config) { c.Plugin.Path = broken }, `plugin.path: policy "broken.wasm": gate: `, "host check tells more"},
		"policies of tenants refused": {func(c *config.Config) {
			c.Declared = []config.Tenant{{Name: "a", Plugin: config.Plugin{Path: broken}}, {Name: "b", Plugin: config.Plugin{Path: broken}}}
		}, `tenant[1].plugin.path: policy "broken.wasm": gate: `, "on_load_failure"},
		"parameters refused, policy optional": {func(c *config.Config) {
			c.Plugin = config.Plugin{Path: "fixed", Config: map[string]string{"idle": "soon"}, OnLoadFailure: "native"}
		}, "plugin.config: ", "parameters"},
		"parameters refused": {func(c *config.Config) {
			c.Plugin = config.Plugin{Path: "fixed", Config: map[string]string{"idle": "soon"}}
		}, "plugin.config: ", "parameters"},
		"address taken": {func(c *config.Config) { c.Listeners[0].Address = taken.Addr().String() },
			"address already in use", "another program listens there"},
		"admin address taken": {func(c *config.Config) { c.Admin.Address = taken.Addr().String() }, "address already in use", "--admin off"},
		"no certificate": {func(c *config.Config) {
			c.Listeners[0].TLS = []config.Certificate{{Cert: dir + "/none.pem", Key: dir + "/none.pem"}}
		}, "listener[0].tls: ", ""},
		"rubbish certificate": {func(c *config.Config) {
			c.Listeners[0].TLS = []config.Certificate{{Cert: rubbish, Key: rubbish}}
		}, "listener[0].tls: ", ""},
		"rubbish CA":      {func(c *config.Config) { c.Upstream.CA = rubbish; c.Upstream.Targets = []string{"https://a"} }, "upstream.ca: ", ""},
		"token not set":   {func(c *config.Config) { c.Admin.TokenEnv = "IDLEHOST_TEST_UNSET" }, "IDLEHOST_TEST_UNSET is not set", ""},
		"token too short": {func(c *config.Config) { c.Admin.TokenFile = rubbish }, "shorter than 16", "openssl"},
	} {
		t.Run(name, func(t *testing.T) {
			c := configOf(tt.edit)
			a, err := New(t.Context(), Config{Load: func() (*config.Config, error) { return c, nil }, Stdout: io.Discard, Stderr: io.Discard})
			if err == nil {
				a.Close()
				t.Fatal("no error")
			}
			hint := ""
			var ps config.Problems
			var hinted interface{ Hint() string }
			if errors.As(err, &ps) {
				hint = ps[0].Hint
			} else if errors.As(err, &hinted) {
				hint = hinted.Hint()
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(hint, tt.hint) {
				t.Errorf("error %q, hint %q", err, hint)
			}
		})
	}
}

func TestBrokenPolicyLeavesTheNativeOneInCharge(t *testing.T) {
	file := t.TempDir() + "/broken.wasm"
	if err := os.WriteFile(file, []byte("\x00asm\x01\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *config.Config) { c.Plugin = config.Plugin{Path: file, OnLoadFailure: "native"} })
	if got := r.degraded(); len(got) != 1 || !strings.HasPrefix(got[0], "tenant default: policy broken.wasm (") || !strings.HasSuffix(got[0], ") is not in force: refused") {
		t.Errorf("degraded: %q", got)
	}
	if status, _ := get(t, client(t), r.url(0)); status != 200 {
		t.Errorf("status %d", status)
	}
	wants(t, r.metricsText(), `host_policy_loads_total{outcome="refused",tenant="default"} 1`,
		`host_policy_asks_total{event="accept",outcome="fallback",tenant="default"} 1`,
		`host_policy_faults_total{cause="refused",tenant="default"} 1`)
	wants(t, r.quiesce(), `"level":"ERROR","msg":"policy not loaded, native default answers"`, `"cause":"refused"`, "broken.wasm")
	wants(t, r.out.String(), "policy broken.wasm could not be loaded (refused)")
}

func TestCloseWithoutRun(t *testing.T) {
	c := configOf(nil)
	a, err := New(context.Background(), Config{Load: func() (*config.Config, error) { return c, nil }, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Error("second Close:", err)
	}
}
