package app

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/config"
	"idlehost/host/internal/testnet"
)

// again sends a request and reports whether its connection had served before.
func again(t *testing.T, c *http.Client, url string) (body string, reused bool) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b strings.Builder
	if err := res.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String(), reused
}

func TestReloadChangesThePolicyUnderOpenConnections(t *testing.T) {
	r := start(t, func(c *config.Config) { c.Plugin.Path = "fixed" })
	c := client(t)
	again(t, c, r.url(0))
	first := r.tenantRuntime("default").tenant.Digest()

	if err := r.reload(configOf(func(c *config.Config) {
		c.Plugin.Path = "adaptive"
		c.Timeouts.Idle = config.Duration(30 * time.Second)
	})); err != nil {
		t.Fatal(err)
	}
	if second := r.tenantRuntime("default").tenant.Digest(); second == first || second == "" {
		t.Errorf("digest %q after %q", second, first)
	}
	if _, reused := again(t, c, r.url(0)); !reused {
		t.Error("the connection was dropped")
	}
	if err := r.reload(configOf(nil)); err != nil {
		t.Fatal(err)
	}
	if d := r.tenantRuntime("default").tenant.Digest(); d != "" {
		t.Errorf("digest %q without a policy", d)
	}
	if _, reused := again(t, c, r.url(0)); !reused {
		t.Error("the connection was dropped")
	}
	wants(t, r.metricsText(), `host_app_reloads_total{outcome="ok"} 2`, `host_policy_loads_total{outcome="ok",tenant="default"} 2`)
}

func TestReloadOfTheSameKeepsThePolicy(t *testing.T) {
	edit := func(c *config.Config) {
		c.Plugin = config.Plugin{Path: "fixed", Config: map[string]string{"idle": "30s"}}
	}
	r := start(t, edit)
	if err := r.reload(configOf(edit)); err != nil {
		t.Fatal(err)
	}
	wants(t, r.metricsText(), `host_policy_loads_total{outcome="ok",tenant="default"} 1`)
	if err := r.reload(configOf(func(c *config.Config) {
		c.Plugin = config.Plugin{Path: "fixed", Config: map[string]string{"idle": "31s"}}
	})); err != nil {
		t.Fatal(err)
	}
	wants(t, r.metricsText(), `host_policy_loads_total{outcome="ok",tenant="default"} 2`)
}

func TestFailedReloadChangesNothing(t *testing.T) {
	up := echo(t, "up")
	r := start(t, func(c *config.Config) { c.Upstream.Targets = []string{up}; c.Plugin.Path = "fixed" })
	c, digest := client(t), r.tenantRuntime("default").tenant.Digest()
	again(t, c, r.url(0))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := filepath.Join(t.TempDir(), "broken.wasm")
	os.WriteFile(broken, []byte("\x00asm\x01\x00\x00\x00"), 0o600)
	for name, edit := range map[string]func(*config.Config){
		"unknown policy": func(c *config.Config) { c.Plugin.Path = "nope" },
		"broken policy":  func(c *config.Config) { c.Plugin.Path = broken },
		"refused parameters": func(c *config.Config) {
			c.Plugin = config.Plugin{Path: "fixed", Config: map[string]string{"idle": "x"}}
		},
		"address taken": func(c *config.Config) {
			c.Listeners = append(c.Listeners, config.Listener{Address: taken.Addr().String()})
		},
		"admin address taken": func(c *config.Config) { c.Admin.Address = taken.Addr().String() },
		"no token":            func(c *config.Config) { c.Admin.TokenFile = broken + ".none" },
		"invalid":             func(c *config.Config) { c.Log.Level = "loud" },
	} {
		if err := r.reload(configOf(edit)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if body, reused := again(t, c, r.url(0)+"/y"); !reused || !strings.Contains(body, "up /y") {
			t.Errorf("%s: reused %v, %q", name, reused, body)
		}
		if d := r.tenantRuntime("default").tenant.Digest(); d != digest {
			t.Errorf("%s: digest %q, want %q", name, d, digest)
		}
	}
	r.next.Store(nil)
	if r.Reload(t.Context()) == nil {
		t.Error("no error without a configuration")
	}
	wants(t, r.metricsText(), `host_app_reloads_total{outcome="error"} 8`)
	wants(t, r.quiesce(), `"configuration not reloaded, the old one stays"`)
}

func TestReloadMovesListeners(t *testing.T) {
	a, b := echo(t, "a"), echo(t, "b")
	r := start(t, func(c *config.Config) { c.Upstream.Targets = []string{a} })
	c, old := client(t), r.url(0)
	again(t, c, old)
	if err := r.reload(configOf(func(c *config.Config) {
		c.Upstream.Targets = []string{b}
		c.Listeners = []config.Listener{{Address: "localhost:0"}}
	})); err != nil {
		t.Fatal(err)
	}
	if r.url(0) == old {
		t.Fatal("the listener did not move")
	}
	if body, _ := again(t, client(t), r.url(0)); !strings.Contains(body, "b /") {
		t.Errorf("new listener: %q", body)
	}
	if body, reused := again(t, c, old); !reused || !strings.Contains(body, "b /") {
		t.Errorf("a connection of the old listener: reused %v, %q", reused, body)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(old, "http://")); err == nil {
		t.Error("the old address still accepts")
	}
}

func TestReloadChangesTheUpstreamOfOpenConnections(t *testing.T) {
	a, b := echo(t, "a"), echo(t, "b")
	r := start(t, func(c *config.Config) { c.Upstream.Targets = []string{a} })
	open := client(t)
	if body, _ := again(t, open, r.url(0)); !strings.Contains(body, "a /") {
		t.Errorf("body = %q", body)
	}
	if err := r.reload(configOf(func(c *config.Config) { c.Upstream.Targets = []string{b} })); err != nil {
		t.Fatal(err)
	}
	if body, reused := again(t, open, r.url(0)); !reused || !strings.Contains(body, "b /") {
		t.Errorf("an open connection: reused %v, %q", reused, body)
	}
}

func TestReloadTurnsOnTLSAtTheSameAddress(t *testing.T) {
	r := start(t, nil)
	plain, old := client(t), r.url(0)
	again(t, plain, old)
	cert, key := certificate(t, "one.test")
	edit := func(c *config.Config) { c.Listeners[0].TLS = []config.Certificate{{Cert: cert, Key: key}} }
	if err := r.reload(configOf(edit)); err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(old, "http:", "https:", 1); r.url(0) != want {
		t.Fatalf("url %s, want %s", r.url(0), want)
	}
	if name := served(t, r.url(0)); name != "one.test" {
		t.Errorf("certificate of %q", name)
	}
	if _, reused := again(t, plain, old); !reused {
		t.Error("the plain connection was dropped")
	}
	writePair(t, cert, key, "two.test")
	if err := r.reload(configOf(edit)); err != nil {
		t.Fatal(err)
	}
	if name := served(t, r.url(0)); name != "two.test" {
		t.Errorf("certificate of %q after its files changed", name)
	}
	os.WriteFile(cert, []byte("rubbish"), 0o600)
	if err := r.reload(configOf(edit)); err != nil {
		t.Fatal(err)
	}
	if name := served(t, r.url(0)); name != "two.test" {
		t.Errorf("certificate of %q after its file broke", name)
	}
}

func TestReloadMovesTheAdminServer(t *testing.T) {
	r := start(t, nil)
	waitFor(t, func() bool { return r.ready() == nil })
	at := func() string { return "http://" + (*r.adminAddr.Load()).String() }
	first := at()
	if status, body := get(t, client(t), first+"/readyz"); status != 200 || body != "ready\n" {
		t.Fatalf("%d %q", status, body)
	}
	if err := r.reload(configOf(func(c *config.Config) { c.Admin.Address = "localhost:0" })); err != nil {
		t.Fatal(err)
	}
	if at() == first {
		t.Fatal("it did not move")
	}
	if status, _ := get(t, client(t), at()+"/healthz"); status != 200 {
		t.Errorf("status %d at the new address", status)
	}
	if _, err := client(t).Get(first + "/healthz"); err == nil {
		t.Error("the old address still answers")
	}
	if err := r.reload(configOf(func(c *config.Config) { c.Admin.Address = config.Off })); err != nil {
		t.Fatal(err)
	}
	if r.adminAddr.Load() != nil {
		t.Error("it is not off")
	}
}

func TestReloadNamesWhatWaitsForARestart(t *testing.T) {
	r := start(t, nil)
	if err := r.reload(configOf(func(c *config.Config) { c.Limits.Clients = 5; c.Log.Format = "text" })); err != nil {
		t.Fatal(err)
	}
	wants(t, r.quiesce(), `"these changes wait for a restart","keys":"limits.clients, log.format"`)
}

// TestHammerReload reloads everything that can change while clients ask: no
// request fails, and no connection is dropped.
func TestHammerReload(t *testing.T) {
	up := echo(t, "up")
	edits := []func(*config.Config){
		func(c *config.Config) { c.Upstream.Targets = []string{up} },
		func(c *config.Config) { c.Upstream.Targets = []string{up + "/", up}; c.Plugin.Path = "fixed" },
		func(c *config.Config) { c.Plugin.Path = "adaptive"; c.Listeners[0].TrustedProxies = []string{"::1"} },
		func(c *config.Config) { c.Plugin.Path = "pressure"; c.Listeners[0].Name = "other"; c.Log.Rate = 3 },
	}
	r := start(t, edits[0])
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 3 {
		// Go's client gives a connection up when its own writer was not
		// scheduled for 50 ms; this one has no other.
		nc, err := net.Dial("tcp", strings.TrimPrefix(r.url(0), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		asking.Go(func() {
			from := bufio.NewReader(nc)
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				res, err := http.ReadResponse(from, nil)
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
				}
				if err != nil || res.StatusCode != 200 || res.Close {
					t.Errorf("request %d: %v, %+v", n, err, res)
					return
				}
			}
		})
	}
	for i := range 20 {
		if err := r.reload(configOf(edits[i%len(edits)])); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	asking.Wait()
}

func TestNothingRunsAfterTheEnd(t *testing.T) {
	r := start(t, func(c *config.Config) { c.Plugin.Path = "adaptive" })
	c := client(t)
	again(t, c, r.url(0))
	if err := r.reload(configOf(func(c *config.Config) { c.Listeners[0].Name = "other" })); err != nil {
		t.Fatal(err)
	}
	again(t, client(t), r.url(0))
	r.quiesce()
	waitFor(t, func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		_, others, _ := strings.Cut(string(stacks), "\n\n") // the first is this test's own
		return !strings.Contains(others, "idlehost/host/internal/")
	})
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	testnet.Eventually(t, "it is as it should be", ok)
}

// served returns the name in the certificate that an address serves.
func served(t *testing.T, url string) string {
	t.Helper()
	nc, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{InsecureSkipVerify: true, ServerName: "any.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// certificate writes a self-signed pair for a name.
func certificate(t *testing.T, name string) (cert, key string) {
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, cert, key, name)
	return cert, key
}

func writePair(t *testing.T, cert, key, name string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, name + ".longer"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kb}), 0o600)
}
