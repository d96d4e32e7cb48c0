package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/testnet"
)

// tool finds a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// output runs a program and returns what it says. wrong: it is to fail.
func output(t *testing.T, wrong bool, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testnet.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool(t, name), args...)
	out, err := cmd.CombinedOutput()
	if (err != nil) != wrong {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// port is the end of an address.
func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// TestCurlNamesTwoHosts asks for hosts of two tenants on one connection.
func TestCurlNamesTwoHosts(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		a, b := newTenant(policy.Limits{}, "a.example"), newTenant(policy.Limits{}, "b.example")
		r := start(t, setup{mode: m, router: newRouter(a, b).of, park: time.Millisecond})
		args := []string{"-sk", map[mode]string{h1: "--http1.1", h1s: "--http1.1", h2s: "--http2"}[m]}
		for i, host := range []string{"a.example", "b.example", "A.Example:80", "nobody.example"} {
			if i > 0 {
				args = append(args, "--next", "-sk")
			}
			args = append(args, "-w", " = %{http_code} %{num_connects}\n", "-H", "Host: "+host, r.url)
		}
		want := []string{
			"a.example to 127.0.0.1 = 200 1",
			"421 Misdirected Request: this connection belongs to another host, open a new one\n = 421 0",
			"a.example to 127.0.0.1 = 200 0",
			"421 Misdirected Request: this connection belongs to another host, open a new one\n = 421 0",
		}
		if got := output(t, false, "curl", args...); got != strings.Join(want, "\n")+"\n" {
			t.Errorf("curl prints %s, want %s", got, strings.Join(want, "\n"))
		}
	}, h1, h1s, h2s)
}

// TestOpenSSLNamesServers asks by server name, which makes two tenants of one
// address, and none of a name that nobody has.
func TestOpenSSLNamesServers(t *testing.T) {
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			a, b := newTenant(policy.Limits{}, "a.example"), newTenant(policy.Limits{}, "b.example")
			router := newRouter(a, b)
			router.unassigned, router.alert = nil, true
			r := start(t, setup{mode: h1s, router: router.of, names: []string{"b.example"}})
			for _, h := range []*tenant{a, b} {
				output(t, false, "openssl", "s_client", "-connect", r.addr, version, "-servername", h.hosts[0])
				eventually(t, "a connection", func() bool { return h.policy.asked.Load() == 1 })
			}
			for _, name := range [][]string{{"-servername", "c.example"}, {"-noservername"}} {
				out := output(t, true, "openssl", append([]string{"s_client", "-connect", r.addr, version}, name...)...)
				if !strings.Contains(out, "unrecognized name") || !strings.Contains(out, "alert number 112") {
					t.Errorf("%v: openssl prints %s, want the alert unrecognized_name (112)", name, out)
				}
			}
		})
	}
}

// TestH2loadOfUnassigned loads connections that park and that the first
// request leads to their tenant.
func TestH2loadOfUnassigned(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		a, b := newTenant(policy.Limits{}, "a.example"), newTenant(policy.Limits{}, "b.example")
		router := newRouter(a, b)
		r := start(t, setup{mode: m, router: router.of, park: time.Millisecond})
		for _, host := range []string{"a.example", "b.example"} {
			scheme := map[mode]string{h2c: "http", h2s: "https"}[m]
			out := output(t, false, "h2load", "-n2000", "-c20", "-m10", "--connect-to=127.0.0.1:"+port(r.addr), scheme+"://"+host+"/")
			if !strings.Contains(out, "2000 succeeded, 0 failed, 0 errored, 0 timeout") || !strings.Contains(out, "status codes: 2000 2xx") {
				t.Errorf("h2load prints %s, want 2000 requests with status 200", out)
			}
		}
		if x, y := a.policy.asked.Load(), b.policy.asked.Load(); x != 20 || y != 20 {
			t.Errorf("%d and %d connections", x, y)
		}
		open(t, a.account, 0)
		open(t, b.account, 0)
		open(t, router.unassigned, 0)
	}, h2c, h2s)
}

// TestCurlIntroducesItself sends headers of version 1 from a client that
// nobody here wrote.
func TestCurlIntroducesItself(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, from: everywhere, server: http.HandlerFunc(whoAsks)})
		got := output(t, false, "curl", "-sk", "--haproxy-protocol", r.url)
		if !strings.HasSuffix(got, " for 127.0.0.1") {
			t.Errorf("the upstream got %q, want X-Forwarded-For 127.0.0.1", got)
		}
		if got := output(t, true, "curl", "-sSk", r.url); !strings.Contains(got, "curl: (") {
			t.Errorf("without a header: %q", got)
		}
	}, h1, h1s, h2s)
}

// TestHAProxyInFront has HAProxy say in every form that it knows whose
// connections it passes on. Its health checks speak for themselves.
func TestHAProxyInFront(t *testing.T) {
	for name, form := range map[string]string{
		"v1":      "send-proxy",
		"v2":      "send-proxy-v2",
		"v2-more": "send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,crc32c,unique-id,authority",
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, m mode) {
				var asked hellos
				r := start(t, setup{mode: m, from: everywhere, server: http.HandlerFunc(whoAsks), router: func(r *rig) route.Router {
					asked.Router = one{target{account: r.account, site: &r.site}}
					return &asked
				}})
				front := haproxy(t, r.addr, form)
				client := r.dialFrom("127.0.0.3", front)
				r.url = strings.Replace(r.url, r.addr, front, 1)
				for range 3 {
					b, _ := io.ReadAll(client(r.request("GET", "/", nil)).Body)
					if !strings.HasSuffix(string(b), " for 127.0.0.3") {
						t.Errorf("the upstream got %q, want X-Forwarded-For 127.0.0.3", b)
					}
				}
				asked.mu.Lock()
				defer asked.mu.Unlock()
				for _, h := range asked.all {
					if strings.HasPrefix(h.Peer.String(), "127.0.0.3:") && h.Destination.String() == front {
						return
					}
				}
				t.Errorf("nobody came for %s: %+v", front, asked.all)
			}, every...)
		})
	}
}

// dialFrom returns a client whose connections come from an address.
func (r *rig) dialFrom(from, to string) func(*http.Request) *http.Response {
	tr := r.client.Transport.(*http.Transport)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) { return d.DialContext(ctx, network, to) }
	return r.do
}

// haproxy starts HAProxy in front of an address and returns its own. It ends
// before the test does.
func haproxy(t *testing.T, target, form string) string {
	t.Helper()
	path := tool(t, "haproxy")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, config, fmt.Appendf(nil, `global
  maxconn 100
  nbthread 1
defaults
  mode tcp
  timeout connect 10s
  timeout client 30s
  timeout server 30s
  unique-id-format %%{+X}o\ %%ci:%%cp
frontend front
  bind fd@3
  default_backend back
backend back
  server host %s %s check check-send-proxy inter 50
`, target, form))
	cmd := exec.Command(path, "-db", "-f", config)
	cmd.ExtraFiles = []*os.File{socket}
	out := &buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", out)
		}
	})
	return ln.Addr().String()
}
