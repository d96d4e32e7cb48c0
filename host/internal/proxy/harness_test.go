package proxy_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy"
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/proxy/upstream"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// mode is how a client speaks to the proxy.
type mode string

const (
	h1  mode = "h1"
	h1s mode = "h1s"
	h2c mode = "h2c"
	h2s mode = "h2"
)

var every = []mode{h1, h1s, h2c, h2s}

func (m mode) tls() bool { return m == h1s || m == h2s }
func (m mode) h2() bool  { return m == h2c || m == h2s }

// run runs a test in each mode, and looks for goroutines that stay.
func run(t *testing.T, f func(*testing.T, mode), modes ...mode) {
	t.Helper()
	for _, m := range modes {
		t.Run(string(m), func(t *testing.T) { f(t, m) })
	}
}

// setup describes a proxy under test.
type setup struct {
	mode     mode
	server   http.Handler // behind the proxy
	scheme   string       // of the upstream: http (default), https, h2c
	targets  []string     // instead of server
	site     route.Site
	law      policy.Timeouts
	dialled  policy.Timeouts // the law of upstream connections
	limits   policy.Limits
	decider  policy.Policy
	observer idle.Observer
	tcp      bool
	router   func(*rig) route.Router // nil: one of the account and the site
	from     []netip.Prefix          // Listener.ProxyFrom
	strange  *idle.Account           // Config.Unrouted
	names    []string                // of the certificate, beside the usual ones
	park     time.Duration           // idle.Config.ParkAfter
}

// rig is a running proxy with its client.
type rig struct {
	t       testing.TB
	gov     *idle.Governor
	account *idle.Account // of accepted connections
	dialled *idle.Account
	proxy   *proxy.Proxy
	addr    string
	url     string // of the proxy
	origin  *httptest.Server
	client  *http.Client
	site    route.Site // as it was set up
	pool    *x509.CertPool
	leaf    *x509.Certificate // shown
	log     *buffer
	end     func()
}

// buffer is a log that tests read.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start starts a proxy; the test's cleanup stops it and checks for leaks.
func start(t testing.TB, s setup) *rig {
	t.Helper()
	leaks(t)
	r := &rig{t: t, log: &buffer{}, pool: x509.NewCertPool()}
	if s.decider == nil {
		s.decider = policy.Fixed{}
	}
	cfg := idle.Config{Shards: 1, Observer: s.observer, Linger: 50 * time.Millisecond, ParkAfter: s.park}
	if s.park > 0 {
		cfg.Granularity = s.park
	}
	r.gov = idle.New(cfg)
	r.account = idle.NewAccount("test", s.decider, nil, s.law, s.limits)
	r.dialled = idle.NewAccount("test", s.decider, nil, s.dialled, s.limits)
	if s.server != nil {
		r.origin = newOrigin(t, s)
		s.targets = []string{r.originURL(s.scheme)}
	}
	var err error
	var group *upstream.Group
	if len(s.targets) > 0 {
		cfg := upstream.Config{Governor: r.gov, Account: r.dialled, Targets: s.targets, DialTimeout: 2 * time.Second}
		if s.scheme == "https" {
			cfg.TLS = &tls.Config{InsecureSkipVerify: true}
		}
		if group, err = upstream.New(cfg); err != nil {
			t.Fatal(err)
		}
		s.site.Upstream = group
	}
	r.site = s.site
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := proxy.Listener{Listener: ln, Name: "test", TCP: s.tcp, ProxyFrom: s.from}
	if s.mode.tls() {
		p := newPair(t, t.TempDir(), "a", append([]string{"a.example", "*.wild.example"}, s.names...)...)
		r.pool.AddCert(p.leaf)
		r.leaf = p.leaf
		log := slog.New(slog.NewTextHandler(r.log, nil))
		if l.TLS, err = proxy.NewCertificates([]proxy.KeyPair{p.KeyPair}, log); err != nil {
			t.Fatal(err)
		}
	}
	var router route.Router = one{target{account: r.account, site: &s.site}}
	if s.router != nil {
		router = s.router(r)
	}
	r.proxy, err = proxy.New(proxy.Config{
		Governor: r.gov, Router: router, Listeners: []proxy.Listener{l}, Unrouted: s.strange,
		Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	r.url = "http://" + r.addr
	if s.mode.tls() {
		r.url = "https://" + r.addr
	}
	r.client = &http.Client{Transport: r.transport(s.mode), CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		r.proxy.Serve(ctx)
	}()
	r.end = sync.OnceFunc(func() {
		r.client.CloseIdleConnections()
		cancel()
		<-served
		r.proxy.Close()
		if group != nil {
			group.Close()
		}
		if r.origin != nil {
			r.origin.CloseClientConnections()
			r.origin.Close()
		}
		r.gov.Close()
		if t.Failed() {
			t.Logf("log of the proxy:\n%s", r.log)
		}
	})
	t.Cleanup(r.end)
	return r
}

func newOrigin(t testing.TB, s setup) *httptest.Server {
	o := httptest.NewUnstartedServer(s.server)
	o.Config.Protocols = new(http.Protocols)
	o.Config.Protocols.SetHTTP1(s.scheme != "h2c")
	o.Config.Protocols.SetUnencryptedHTTP2(s.scheme == "h2c")
	o.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	if s.scheme == "https" {
		o.EnableHTTP2 = true
		o.Config.Protocols.SetHTTP2(true)
		o.StartTLS()
	} else {
		o.Start()
	}
	return o
}

func (r *rig) originURL(scheme string) string {
	if scheme == "h2c" {
		return "h2c://" + strings.TrimPrefix(r.origin.URL, "http://")
	}
	return r.origin.URL
}

// transport returns a client's transport that speaks m and nothing else.
func (r *rig) transport(m mode) *http.Transport {
	tr := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true, ExpectContinueTimeout: time.Minute}
	tr.Protocols.SetHTTP1(!m.h2())
	tr.Protocols.SetHTTP2(m == h2s)
	tr.Protocols.SetUnencryptedHTTP2(m == h2c)
	tr.TLSClientConfig = r.tls()
	return tr
}

func (r *rig) tls() *tls.Config {
	return &tls.Config{RootCAs: r.pool, ServerName: "a.example"}
}

func (r *rig) request(method, path string, body any) *http.Request {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, nil)
	switch b := body.(type) {
	case string:
		req, err = http.NewRequest(method, r.url+path, strings.NewReader(b))
	case interface{ Read([]byte) (int, error) }:
		req, err = http.NewRequest(method, r.url+path, b)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return req
}

func (r *rig) do(req *http.Request) *http.Response {
	r.t.Helper()
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", req.Method, req.URL.Path, err, r.log)
	}
	r.t.Cleanup(func() { res.Body.Close() })
	return res
}

func (r *rig) get(path string) *http.Response {
	r.t.Helper()
	return r.do(r.request("GET", path, nil))
}

// dial opens a raw connection to the proxy, over TLS where the mode says so.
func (r *rig) dial(m mode, protos ...string) net.Conn {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(testnet.Patience)) // a test that hangs shall say where
	r.t.Cleanup(func() { nc.Close() })
	if !m.tls() {
		return nc
	}
	cfg := r.tls()
	cfg.NextProtos = protos
	tc := tls.Client(nc, cfg)
	if err := tc.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return tc
}

// eventually waits for what another goroutine brings about.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	testnet.Eventually(t, what, f)
}

// leaks fails the test when goroutines of the proxy outlive it.
func leaks(t testing.TB) {
	t.Cleanup(func() {
		testnet.Eventually(t, "no goroutine of the proxy is left", func() bool {
			buf := make([]byte, 1<<20)
			stacks := string(buf[:runtime.Stack(buf, true)])
			return strings.Count(stacks, "idlehost/host/internal/proxy.(") == 0 &&
				!strings.Contains(stacks, "internal/proxy/h2.") &&
				!strings.Contains(stacks, "internal/proxy/tunnel.") &&
				!strings.Contains(stacks, "internal/proxy/httpproxy.")
		})
	})
}

// pair is a certificate in files.
type pair struct {
	proxy.KeyPair
	leaf *x509.Certificate
}

func newPair(t testing.TB, dir, name string, names ...string) pair {
	t.Helper()
	p := pair{KeyPair: proxy.KeyPair{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}}
	p.renew(t, names...)
	return p
}

var serial int64

// renew writes a new certificate over the old one.
func (p *pair) renew(t testing.TB, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if p.leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// law returns timeouts with one phase set.
func law(p policy.Phase, to policy.Timeout) policy.Timeouts {
	var l policy.Timeouts
	l[p] = to
	return l
}

var _ = abi.PhaseIdle

func contextWithCancel(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithCancel(r.Context())
}
