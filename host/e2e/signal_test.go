package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
)

// writeFile writes a file of the test's own and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReloadUnderLoad changes the policy, the timeouts and back again while
// requests come in. None fails.
func TestReloadUnderLoad(t *testing.T) {
	back := newBackend(t)
	variants := []string{
		"[plugin]\npath = \"adaptive\"\n",
		"[plugin]\npath = \"fixed\"\n[plugin.config]\nidle = \"5s\"\n[timeouts]\nidle = \"30s\"\n",
		"[timeouts]\nidle = \"10s\"\n",
		"[timeouts]\nidel = \"10s\"\n", // a mistake: what runs goes on
	}
	config := writeFile(t, "host.toml", variants[0])
	h := startHost(t, back.url("http"), "--config", config, "--listen", "127.0.0.1:0")
	l := startLoad(h.URL("http", "/hello"), 10, func(int) time.Duration { return time.Millisecond })
	for i := range 12 {
		if err := os.WriteFile(config, []byte(variants[i%len(variants)]), 0o600); err != nil {
			t.Fatal(err)
		}
		served := l.good.Load()
		h.Signal(t, syscall.SIGHUP)
		hosttest.Until(t, fmt.Sprintf("reload %d is done, and requests are answered", i+1), func() bool {
			return h.Metric(t, "host_app_reloads_total") == float64(i+1) && l.good.Load() > served+20
		})
	}
	l.end(t)
	if n := h.Metric(t, "host_app_reloads_total", `outcome="error"`); n != 3 {
		t.Errorf("%v reloads failed, want the 3 with a mistake", n)
	}
	h.Line(t, "idel")
}

// TestDrain: at SIGTERM what is under way is finished, new connections are
// refused, idle ones closed, and the process ends well.
func TestDrain(t *testing.T) {
	back := newBackend(t)
	const slow = 40
	var begun sync.WaitGroup
	begun.Add(slow)
	release := make(chan struct{})
	back.mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		begun.Done()
		<-release
		io.WriteString(w, "done\n")
	})
	h := startHost(t, back.url("http"))
	_, idle := visit(t, h.Addr, "/hello")
	answers := make(chan error, slow)
	for range slow {
		go func() { answers <- get(&http.Client{Transport: &http.Transport{}}, h.URL("http", "/slow")) }()
	}
	begun.Wait()
	h.Signal(t, syscall.SIGTERM)
	if _, err := idle.ReadByte(); err != io.EOF {
		t.Errorf("idle connection: %v, want EOF", err)
	}
	hosttest.Until(t, "new connections are refused", func() bool {
		return errors.Is(get(&http.Client{Transport: &http.Transport{}}, h.URL("http", "/hello")), syscall.ECONNREFUSED)
	})
	close(release)
	for range slow {
		if err := <-answers; err != nil {
			t.Errorf("request under way: %v", err)
		}
	}
	if code := h.Exit(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestDrainUnderLoad: clients that send one request after the other lose none
// of them; when the listener is gone, they are refused.
func TestDrainUnderLoad(t *testing.T) {
	back := newBackend(t)
	h := startHost(t, back.url("http"))
	l := startLoad(h.URL("http", "/hello"), 20, func(int) time.Duration { return 0 })
	hosttest.Until(t, "requests are answered", func() bool { return l.good.Load() > 1000 })
	h.Signal(t, syscall.SIGTERM)
	if code := h.Exit(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	close(l.stop)
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range l.failed {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("request lost: %v", err)
		}
	}
}
