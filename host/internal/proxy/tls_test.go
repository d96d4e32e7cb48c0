package proxy_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/proxy"
)

func TestALPN(t *testing.T) {
	r := start(t, setup{mode: h2s, server: http.NotFoundHandler()})
	for _, test := range []struct {
		offer []string
		want  string
	}{
		{[]string{"h2", "http/1.1"}, "h2"},
		{[]string{"http/1.1", "h2"}, "h2"},
		{[]string{"http/1.1"}, "http/1.1"},
		{nil, ""},
	} {
		c := r.dial(h2s, test.offer...).(*tls.Conn)
		if got := c.ConnectionState().NegotiatedProtocol; got != test.want {
			t.Errorf("offered %v: %q, want %q", test.offer, got, test.want)
		}
		c.Close()
	}
}

func TestRequestKnowsItsTLS(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		s := setup{mode: m}
		s.site.Local = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if (r.TLS != nil) != m.tls() {
				t.Errorf("TLS: %v", r.TLS)
			}
			if r.TLS != nil && r.TLS.ServerName != "a.example" {
				t.Errorf("server name %q", r.TLS.ServerName)
			}
		})
		start(t, s).get("/")
	}, every...)
}

func TestSessionsAreResumed(t *testing.T) {
	r := start(t, setup{mode: h1s, server: http.NotFoundHandler()})
	tr := r.client.Transport.(*http.Transport)
	tr.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		res := r.get("/")
		io.Copy(io.Discard, res.Body) // the tickets come with the first bytes
		if res.TLS.DidResume != (i == 1) {
			t.Errorf("connection %d: resumed %v", i, res.TLS.DidResume)
		}
		tr.CloseIdleConnections()
	}
}

func TestPlainHTTPOnTheTLSPortIsTold(t *testing.T) {
	r := start(t, setup{mode: h1s, server: http.NotFoundHandler()})
	c := r.dial(h1)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(c); !strings.Contains(string(b), "400 Bad Request") || !strings.Contains(string(b), "https://") {
		t.Errorf("read %q, want a 400 that names https", b)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	r := start(t, setup{mode: h1s, server: http.NotFoundHandler()})
	cfg := r.tls()
	cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if c, err := tls.Dial("tcp", r.addr, cfg); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// shown returns the serial number of the certificate shown for a name.
func shown(t *testing.T, addr, name string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func serveCertificates(t *testing.T, c *proxy.Certificates) (addr string) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", proxy.TLSConfig(c))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			nc.(*tls.Conn).Handshake()
			nc.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func TestCertificateByName(t *testing.T) {
	dir := t.TempDir()
	first := newPair(t, dir, "first", "first.example")
	wild := newPair(t, dir, "wild", "*.example.org")
	exact := newPair(t, dir, "exact", "www.example.org", "Other.Example")
	certs, err := proxy.NewCertificates([]proxy.KeyPair{first.KeyPair, wild.KeyPair, exact.KeyPair}, nil)
	if err != nil {
		t.Fatal(err)
	}
	addr := serveCertificates(t, certs)
	for name, want := range map[string]pair{
		"first.example": first, "www.example.org": exact, "WWW.Example.ORG": exact, "api.example.org": wild,
		"other.example": exact, "a.b.example.org": first, "example.org": first, "unknown.example": first, "": first,
	} {
		if got := shown(t, addr, name); got != want.leaf.SerialNumber.Int64() {
			t.Errorf("%q is shown certificate %d, want %d (%s)", name, got, want.leaf.SerialNumber, want.Cert)
		}
	}
}

func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	a, b := newPair(t, dir, "a", "a.example"), newPair(t, dir, "b", "b.example")
	log := &buffer{}
	certs, err := proxy.NewCertificates([]proxy.KeyPair{a.KeyPair, b.KeyPair}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	addr := serveCertificates(t, certs)
	old := a.leaf.SerialNumber.Int64()

	write(t, a.Cert, []byte("not a certificate"))
	b.renew(t, "b.example")
	later(t, a.Cert, b.Cert, b.Key)
	if err := certs.Reload(); err == nil || !strings.Contains(err.Error(), a.Cert) {
		t.Errorf("error %v, want one that names %s", err, a.Cert)
	}
	if got := shown(t, addr, "a.example"); got != old {
		t.Errorf("the broken file took effect: serial %d", got)
	}
	if got := shown(t, addr, "b.example"); got != b.leaf.SerialNumber.Int64() {
		t.Error("the good file beside the broken one did not take effect")
	}

	a.renew(t, "a.example")
	later(t, a.Cert, a.Key)
	if err := certs.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, addr, "a.example"); got != a.leaf.SerialNumber.Int64() {
		t.Error("the renewed certificate is not shown")
	}
	before := strings.Count(log.String(), "certificate reloaded")
	if err := certs.Reload(); err != nil || strings.Count(log.String(), "certificate reloaded") != before {
		t.Error("reloaded though nothing has changed")
	}
}

// later makes sure that a file's time differs from before.
func later(t *testing.T, names ...string) {
	t.Helper()
	serial++
	for _, n := range names {
		if err := os.Chtimes(n, time.Time{}, time.Now().Add(time.Duration(serial)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificatesAreWatched(t *testing.T) {
	dir := t.TempDir()
	a := newPair(t, dir, "a", "a.example")
	log := &buffer{}
	certs, err := proxy.NewCertificates([]proxy.KeyPair{a.KeyPair}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); certs.Run(ctx, time.Minute) }()
		write(t, a.Key, []byte("broken"))
		time.Sleep(10*time.Minute + time.Second)
		if n := strings.Count(log.String(), "not reloaded"); n != 1 {
			t.Errorf("a file that stays broken is logged %d times", n)
		}
		a.renew(t, "a.example")
		later(t, a.Cert, a.Key)
		time.Sleep(time.Minute)
		if n := strings.Count(log.String(), "certificate reloaded"); n != 1 {
			t.Errorf("reloaded %d times", n)
		}
		cancel()
		<-done
	})
}

func TestCertificateErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	a := newPair(t, dir, "a", "a.example")
	b := newPair(t, dir, "b", "b.example")
	for _, p := range []proxy.KeyPair{
		{Cert: dir + "/none.crt", Key: a.Key}, {Cert: a.Cert, Key: dir + "/none.key"}, {Cert: a.Cert, Key: b.Key}, {Cert: a.Key, Key: a.Key},
	} {
		_, err := proxy.NewCertificates([]proxy.KeyPair{p}, nil)
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v: error %v", p, err)
		}
	}
	if _, err := proxy.NewCertificates(nil, nil); err == nil {
		t.Error("no pairs are accepted")
	}
}
