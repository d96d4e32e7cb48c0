package admin

import (
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
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/admin/v1"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	c := a.sign(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

// sign returns a certificate for an hour, and its own key. The first is signed
// by itself.
func (a *authority) sign(t testing.TB, c x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	c.NotBefore = c.NotAfter.Add(-2 * time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = &c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// server returns a certificate for 127.0.0.1, as Config wants it.
func (a *authority) server(t testing.TB) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := a.sign(t, x509.Certificate{IPAddresses: []net.IP{{127, 0, 0, 1}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c, nil }
}

// client returns a certificate for a person or a program.
func (a *authority) client(t testing.TB, name string, more ...func(*x509.Certificate)) tls.Certificate {
	c := x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, f := range more {
		f(&c)
	}
	return a.sign(t, c)
}

// visit asks with a certificate, on a connection of its own.
func visit(t *testing.T, s *Server, roots *x509.CertPool, path string, certs ...tls.Certificate) (status int, body string, err error) {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certs}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}
	res, err := (&http.Client{Transport: transport}).Get("https://" + s.Addr().String() + path)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func serve(t *testing.T, cfg Config) *Server {
	t.Helper()
	cfg.Address = "127.0.0.1:0"
	s, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestCertificates: who they belong to is a matter of the configuration, and
// whom they are signed by.
func TestCertificates(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	cfg := Config{
		Certificate: ca.server(t), ClientCAs: ca.pool, API: v1.New(v1.Config{}), Metrics: metrics(),
		Clients: []Client{{"alice", ""}, {"spiffe://example/shop", "shop"}, {"Build.example", "bank"}, {"ops@example", ""}, {"alice", "shop"}},
	}
	s := serve(t, cfg)
	uri := func(c *x509.Certificate) { c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/shop"}} }
	for name, tt := range map[string]struct {
		cert tls.Certificate
		want string // of whoami; "" none
	}{
		"by its common name": {ca.client(t, "alice"), `{"operator":true,"name":"certificate alice"}`},
		"by its URI":         {ca.client(t, "x", uri), `{"operator":false,"tenant":"shop","name":"certificate spiffe://example/shop"}`},
		"by its DNS name":    {ca.client(t, "x", func(c *x509.Certificate) { c.DNSNames = []string{"y", "build.example"} }), `{"operator":false,"tenant":"bank","name":"certificate Build.example"}`},
		"by its address":     {ca.client(t, "x", func(c *x509.Certificate) { c.EmailAddresses = []string{"ops@example"} }), `{"operator":true,"name":"certificate ops@example"}`},
		"of somebody else":   {ca.client(t, "mallory"), ""},
		"of almost alice":    {ca.client(t, "Alice"), ""},
		"of alice's server":  {ca.client(t, "alice", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "refused"},
		"expired":            {ca.client(t, "alice", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "refused"},
		"foreign":            {foreign.client(t, "alice"), "refused"},
	} {
		status, body, err := visit(t, s, ca.pool, "/v1/whoami", tt.cert)
		switch {
		case tt.want == "refused":
			if err == nil && status != 401 { // a client leaves it out if it is of no use
				t.Errorf("%s: %d %s, want an end of the handshake", name, status, body)
			}
		case tt.want == "":
			if err != nil || status != 401 {
				t.Errorf("%s: %d %s, %v; want 401", name, status, body, err)
			}
		case err != nil || status != 200 || strings.TrimSpace(body) != tt.want:
			t.Errorf("%s: %d %s, %v; want 200 %q", name, status, body, err, tt.want)
		}
	}
	for path, want := range map[string]int{"/metrics": 403, "/": 403, "/healthz": 200} {
		if status, body, err := visit(t, s, ca.pool, path, ca.client(t, "x", uri)); status != want {
			t.Errorf("%s with a tenant's certificate: %d %s %v", path, status, body, err)
		}
	}
	if status, _, err := visit(t, s, ca.pool, "/metrics"); status != 401 {
		t.Errorf("without a certificate: %d %v", status, err)
	}
}

// TestReloadReachesConnections that are open: an authority that is trusted no
// more lets nobody in.
func TestReloadReachesConnections(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cfg := Config{Certificate: ca.server(t), ClientCAs: ca.pool, Clients: []Client{{Name: "alice"}}, Metrics: metrics()}
	s := serve(t, cfg)
	cfg.Address = s.Address()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.client(t, "alice")}}, ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	get := func() (status, proto int) {
		t.Helper()
		res, err := (&http.Client{Transport: transport}).Get("https://" + s.Addr().String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode, res.ProtoMajor
	}
	if status, proto := get(); status != 200 || proto != 2 {
		t.Fatalf("before: %d over HTTP/%d", status, proto)
	}
	cfg.ClientCAs = other.pool
	if err := s.Update(cfg); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(); status != 401 {
		t.Errorf("after: %d", status)
	}
	cfg.ClientCAs = ca.pool
	if err := s.Update(cfg); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(); status != 200 {
		t.Errorf("and back: %d", status)
	}
	cfg.Clients = []Client{{Name: "bob"}}
	if err := s.Update(cfg); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(); status != 401 {
		t.Errorf("without alice: %d", status)
	}
}

// TestReloadOfTheCertificate: the next handshake gets the next one, and clear
// text becomes TLS.
func TestReloadOfTheCertificate(t *testing.T) {
	one, two := newAuthority(t), newAuthority(t)
	s := serve(t, Config{Metrics: metrics()})
	clear := &http.Client{Transport: &http.Transport{}}
	defer clear.CloseIdleConnections()
	ask := func() int {
		t.Helper()
		res, err := clear.Get("http://" + s.Addr().String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	if status := ask(); status != 200 {
		t.Fatalf("in clear text: %d", status)
	}
	for _, ca := range []*authority{one, two} {
		if err := s.Update(Config{Address: s.Address(), Metrics: metrics(), Certificate: ca.server(t)}); err != nil {
			t.Fatal(err)
		}
		if status, _, err := visit(t, s, ca.pool, "/metrics"); status != 200 {
			t.Errorf("status %d, %v; want 200", status, err)
		}
	}
	if _, _, err := visit(t, s, one.pool, "/metrics"); err == nil {
		t.Error("the first certificate is still there")
	}
	if status := ask(); status != 421 {
		t.Errorf("the connection in clear text: %d", status)
	}
	old := &tls.Config{RootCAs: two.pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if c, err := tls.Dial("tcp", s.Addr().String(), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// TestCurlWithACertificate does what a person does.
func TestCurlWithACertificate(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl")
	}
	ca, dir := newAuthority(t), t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	alice := ca.client(t, "alice")
	key, err := x509.MarshalPKCS8PrivateKey(alice.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Config{Certificate: ca.server(t), ClientCAs: ca.pool, Clients: []Client{{"alice", "shop"}}, API: v1.New(v1.Config{})})
	args := []string{
		"-sS", "--noproxy", "*", "--cacert", write("ca.pem", "CERTIFICATE", ca.cert.Raw),
		"-w", "%{http_code}", "https://" + s.Addr().String() + "/v1/whoami",
	}
	with := []string{"--cert", write("alice.pem", "CERTIFICATE", alice.Certificate[0]), "--key", write("alice.key", "PRIVATE KEY", key)}
	for _, version := range []string{"--http1.1", "--http2"} {
		out, err := exec.Command(curl, append(append([]string{version}, with...), args...)...).CombinedOutput()
		if want := `{"operator":false,"tenant":"shop","name":"certificate alice"}` + "\n200"; err != nil || string(out) != want {
			t.Errorf("%s: %v: %s, want %s", version, err, out, want)
		}
		out, err = exec.Command(curl, append([]string{version}, args...)...).CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), "\n401") {
			t.Errorf("%s without a certificate: %v: %s", version, err, out)
		}
	}
}

// BenchmarkBearer is what verifying a certificate costs at each request.
func BenchmarkBearer(b *testing.B) {
	ca := newAuthority(b)
	alice := ca.client(b, "alice")
	c := certificates{ca.pool, []Client{{Name: "alice"}}}
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{alice.Leaf}}
	for b.Loop() {
		if _, ok := c.bearer(state); !ok {
			b.Fatal("not alice")
		}
	}
}
