package e2e

import (
	"strconv"
	"strings"
	"testing"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/longtest"
)

func TestH2load(t *testing.T) {
	h2load := hosttest.Tool(t, "h2load")
	back := newBackend(t)
	cert := newCertificate(t)
	plain := startHost(t, back.url("http"), "--plugin", "adaptive.wasm")
	secure := startHost(t, back.url("http"), append(cert.flags(), "--plugin", "adaptive.wasm")...)
	n := strconv.Itoa(longtest.Count(t, 4000, 100_000, "requests by each protocol"))
	for name, args := range map[string][]string{
		"h1":  {"--h1", plain.URL("http", "/hello")},
		"h2c": {"-m", "10", plain.URL("http", "/hello")},
		"h2":  {"-m", "10", secure.URL("https", "/hello")},
	} {
		t.Run(name, func(t *testing.T) {
			out := hosttest.Run(t, h2load, append([]string{"-n", n, "-c", "20", "-t", "1"}, args...)...)
			if !strings.Contains(out, n+" succeeded, 0 failed, 0 errored, 0 timeout") ||
				!strings.Contains(out, n+" 2xx, 0 3xx, 0 4xx, 0 5xx") {
				t.Error(out)
			}
		})
	}
}
