package hosttest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Host is a running host.
type Host struct {
	*Process
	Addr  string   // host:port of the first listener
	Addrs []string // host:port of every listener
	Admin string   // URL without a path
}

var address = regexp.MustCompile(`\b127\.0\.0\.1:[0-9]+`)

// StartHost runs the host program on free ports of its choice, with a JSON
// log, until the test ends. It returns when the host serves.
func StartHost(t testing.TB, program string, args ...string) *Host {
	t.Helper()
	base := []string{"--admin", "127.0.0.1:0", "--log-format", "json"}
	if !strings.Contains(strings.Join(args, " "), "--listen") && !strings.Contains(strings.Join(args, " "), "--config") {
		base = append(base, "--listen", "127.0.0.1:0")
	}
	h := &Host{Process: Start(t, program, append(base, args...)...)}
	line := h.Line(t, "admin http", "://")
	h.Admin = strings.TrimPrefix(line, "admin ")
	for _, l := range h.Lines() {
		if strings.HasPrefix(l, "admin ") {
			break // what the log says of addresses is something else
		}
		if a := address.FindString(l); a != "" {
			h.Addrs = append(h.Addrs, a)
		}
	}
	if len(h.Addrs) == 0 {
		t.Fatalf("no line tells where the host listens:\n%s", h.tail(20))
	}
	h.Addr = h.Addrs[0]
	return h
}

// URL returns the address of a path on the first listener.
func (h *Host) URL(scheme, path string) string {
	u := url.URL{Scheme: scheme, Host: h.Addr, Path: path}
	return u.String()
}

// Metric sums the samples of a metric whose labels contain all of the pairs,
// written name="value".
func (h *Host) Metric(t testing.TB, name string, pairs ...string) float64 {
	t.Helper()
	sum, err := h.Sample(name, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// Sample is Metric outside the goroutine of the test.
func (h *Host) Sample(name string, pairs ...string) (float64, error) {
	return scrape(h.Admin+"/metrics", name, pairs)
}

func scrape(url, name string, pairs []string) (sum float64, err error) {
	client := http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", url, resp.Status)
	}
	for line := range bytes.Lines(text) {
		sample, value, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
		labels, found := strings.CutPrefix(sample, name)
		if !ok || !found || labels != "" && labels[0] != '{' || !containsAll(labels, pairs) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %q: %w", url, line, err)
		}
		sum += v
	}
	return sum, nil
}

// FreePort returns a port of 127.0.0.1 that nobody listens on, below the range
// that the kernel takes ports of outgoing connections from.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
