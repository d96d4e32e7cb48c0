package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"idlehost/host/e2e/hosttest"
)

// modes are the ways in which a client speaks to a listener.
var modes = []struct {
	name, scheme, curl, version string
}{
	{"h1", "http", "--http1.1", "1.1"},
	{"h1.0", "http", "--http1.0", "1"},
	{"h2c", "http", "--http2-prior-knowledge", "2"},
	{"https h1", "https", "--http1.1", "1.1"},
	{"https h2", "https", "--http2", "2"},
}

// TestCurl holds every protocol of a listener against curl, over HTTP/1 and
// HTTP/2 to the upstream.
func TestCurl(t *testing.T) {
	curl := hosttest.Tool(t, "curl")
	back := newBackend(t)
	cert := newCertificate(t)
	upload := filepath.Join(t.TempDir(), "upload")
	content := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	if err := os.WriteFile(upload, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, upstream := range []string{"http", "h2c"} {
		hosts := map[string]*hosttest.Host{
			"http":  startHost(t, back.url(upstream)),
			"https": startHost(t, back.url(upstream), cert.flags()...),
		}
		for _, m := range modes {
			h := hosts[m.scheme]
			run := func(path string, args ...string) string {
				base := []string{"-sS", "--fail", "--max-time", "60", "--cacert", cert.cert, m.curl, h.URL(m.scheme, path)}
				return hosttest.Run(t, curl, append(base, args...)...)
			}
			t.Run(m.name+" to "+upstream, func(t *testing.T) {
				if got, want := run("/hello", "-w", "%{http_version}"), "hello "+h.Addr+"\n"+m.version; got != want {
					t.Errorf("GET: %q, want %q", got, want)
				}
				if got := run("/hello", "-I"); !strings.Contains(got, " 200") || strings.Contains(got, "hello") {
					t.Errorf("HEAD: %q", got)
				}
				if got := run("/sum", "--data-binary", "@"+upload); got != sumOf(content) {
					t.Errorf("upload: %q", got)
				}
				if got := run("/bytes/3000000", "-o", os.DevNull, "-w", "%{size_download}"); got != "3000000" {
					t.Errorf("download of %s bytes", got)
				}
				if m.name == "h1.0" { // neither chunks, nor trailers, nor 100 Continue
					return
				}
				if got := run("/sum", "-X", "POST", "-H", "Transfer-Encoding: chunked", "-T", upload); got != sumOf(content) {
					t.Errorf("upload of unknown length: %q", got)
				}
				if got := run("/trailer", "-i", "-H", "TE: trailers"); !strings.Contains(strings.ToLower(got), "x-check: complete") {
					t.Errorf("no trailer in %q", got)
				}
				if got := run("/sum", "-v", "-H", "Expect: 100-continue", "--data-binary", "@"+upload); !strings.Contains(got, " 100") ||
					!strings.Contains(got, sumOf(content)) {
					t.Errorf("Expect: 100-continue: %.2000q", got)
				}
			})
		}
	}
}
