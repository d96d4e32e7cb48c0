package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
)

// page loads thirty things over the connections that the browser keeps, and
// says which protocol it spoke.
const page = `<!doctype html><title>e2e</title><body><script>
(async () => {
	let ok = 0;
	for (let i = 0; i < 3; i++) {
		const answers = await Promise.all(Array.from({length: 10}, (_, j) => fetch('/item?' + (10*i + j))));
		for (const a of answers) ok += (await a.text()) === 'item\n' ? 1 : 0;
	}
	const hop = performance.getEntriesByType('navigation')[0].nextHopProtocol;
	document.body.textContent = 'fetched=' + ok + ' protocol=' + hop;
})().catch(e => document.body.textContent = 'error=' + e);
</script>`

func TestChromium(t *testing.T) {
	chromium := hosttest.Tool(t, "chromium")
	back := newBackend(t)
	var items atomic.Int64
	back.mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, page)
	})
	back.mux.HandleFunc("/item", func(w http.ResponseWriter, r *http.Request) {
		items.Add(1)
		fmt.Fprintln(w, "item")
	})
	cert := newCertificate(t)
	for _, c := range []struct {
		scheme, protocol string
		args             []string
	}{{"http", "http/1.1", nil}, {"https", "h2", cert.flags()}} {
		t.Run(c.scheme, func(t *testing.T) {
			h := startHost(t, back.url("http"), append(c.args, "--plugin", "adaptive.wasm")...)
			items.Store(0)
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
			if items.Load() != 30 {
				t.Errorf("the server saw %d requests, want 30", items.Load())
			}
		})
	}
}
