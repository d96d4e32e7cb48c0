package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
)

// page loads thirty things over the connections that the browser keeps, lets
// these fall asleep in between, and says which protocol it spoke.
const page = `<!doctype html><title>e2e</title><body><script>
(async () => {
	let ok = 0;
	for (let i = 0; i < 3; i++) {
		const answers = await Promise.all(Array.from({length: 10}, (_, j) => fetch('/item?' + (10*i + j))));
		for (const a of answers) ok += (await a.text()) === 'item\n' ? 1 : 0;
		const asleep = await (await fetch('%s')).text();
		if (asleep !== 'asleep') throw new Error(asleep);
	}
	const hop = performance.getEntriesByType('navigation')[0].nextHopProtocol;
	document.body.textContent = 'fetched=' + ok + ' protocol=' + hop;
})().catch(e => document.body.textContent = 'error=' + e);
</script>`

func TestChromium(t *testing.T) {
	chromium := hosttest.Tool(t, "chromium")
	back := newBackend(t)
	var items atomic.Int64
	var lull lull
	wait := httptest.NewServer(&lull)
	defer wait.Close()
	back.mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, page, wait.URL)
	})
	back.mux.HandleFunc("/item", func(w http.ResponseWriter, r *http.Request) {
		items.Add(1)
		fmt.Fprintln(w, "item")
	})
	cert := newCertificate(t)
	config := filepath.Join(t.TempDir(), "park.toml")
	if err := os.WriteFile(config, []byte("[limits]\npark_after = \"10ms\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scheme, protocol string
		args             []string
	}{{"http", "http/1.1", nil}, {"https", "h2", cert.flags()}} {
		t.Run(c.scheme, func(t *testing.T) {
			h := startHost(t, back.url("http"), append(c.args, "--plugin", "adaptive.wasm", "--config", config, "--listen", "127.0.0.1:0")...)
			items.Store(0)
			lull.host.Store(h)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
				"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
				"--disable-dev-shm-usage", "--ignore-certificate-errors", "--user-data-dir="+t.TempDir(),
				"--timeout=60000", "--virtual-time-budget=20000", "--dump-dom", h.URL(c.scheme, "/page"))
			var log strings.Builder
			cmd.Stderr = &log
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%.4000s", err, log.String())
			}
			if want := "fetched=30 protocol=" + c.protocol; !strings.Contains(string(out), want) {
				t.Errorf("page shows %s, want %s", out, want)
			}
			if lull.times.Swap(0) != 3 {
				t.Error("the connections did not fall asleep")
			}
			if items.Load() != 30 {
				t.Errorf("the server saw %d requests, want 30", items.Load())
			}
		})
	}
}

// lull answers, to the page of another origin, when every connection of the
// host is parked.
type lull struct {
	host  atomic.Pointer[hosttest.Host]
	times atomic.Int64
}

func (l *lull) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	h := l.host.Load()
	for ctx := r.Context(); ; {
		open, err := h.Sample("host_idle_open_connections")
		parked, err2 := h.Sample("host_idle_parked_connections")
		if err := errors.Join(err, err2); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if open > 0 && open == parked {
			l.times.Add(1)
			fmt.Fprint(w, "asleep")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
