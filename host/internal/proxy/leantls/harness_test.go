package leantls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/testnet"
)

var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "host.test"}, DNSNames: []string{"host.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})

// kind is a way to shake hands.
type kind struct {
	name    string
	version uint16
	suite   uint16 // 0: the first that both know
	resumed bool
	min     int // bytes that Release must give back after one request
}

var kinds = []kind{
	{"TLS 1.3 AES-128-GCM", tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, false, 4800},
	{"TLS 1.3 AES-128-GCM resumed", tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, true, 4800},
	{"TLS 1.2 AES-128-GCM", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, false, 700},
	{"TLS 1.2 ChaCha20-Poly1305", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, false, 700},
	{"TLS 1.2 AES-128-GCM resumed", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true, 700},
	{"TLS 1.2 AES-128-CBC", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, false, 700},
}

// ends makes the configurations of both sides; sharing them resumes.
func (k kind) ends(t testing.TB) (server, client *tls.Config) {
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	server = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: k.version, MaxVersion: k.version}
	client = &tls.Config{RootCAs: pool, ServerName: "host.test", MinVersion: k.version, MaxVersion: k.version}
	if k.version == tls.VersionTLS12 {
		server.CipherSuites = []uint16{k.suite}
		client.CipherSuites = []uint16{k.suite}
	}
	if k.resumed {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	return server, client
}

// dial returns both raw ends of a TCP connection, which the test's end closes.
func dial(t testing.TB) (server, client net.Conn) {
	t.Helper()
	server, client = connect(t)
	for _, c := range []net.Conn{server, client} {
		c.SetDeadline(time.Now().Add(testnet.Patience))
		t.Cleanup(func() { c.Close() })
	}
	return server, client
}

func connect(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// shake connects and shakes hands.
func shake(t testing.TB, sc, cc *tls.Config) (server, client *tls.Conn) {
	t.Helper()
	s, c := dial(t)
	server, client = tls.Server(s, sc), tls.Client(c, cc)
	done := make(chan error, 1)
	go func() { done <- handshakeServer(server) }()
	if err := client.Handshake(); err != nil {
		t.Fatal("client:", err)
	}
	if err := <-done; err != nil {
		t.Fatal("server:", err)
	}
	return server, client
}

// handshakeServer has a name for the heap profile to know.
//
//go:noinline
func handshakeServer(c *tls.Conn) error { return c.Handshake() }

// open makes a connection of the kind; a resumed one has a predecessor.
func (k kind) open(t testing.TB) (server, client *tls.Conn) {
	t.Helper()
	sc, cc := k.ends(t)
	if k.resumed {
		k.exchange(t, sc, cc)
	}
	server, client = shake(t, sc, cc)
	if got := server.ConnectionState().DidResume; got != k.resumed {
		t.Fatalf("resumed: %v, want %v", got, k.resumed)
	}
	return server, client
}

// exchange makes a connection that brings the client a ticket.
func (k kind) exchange(t testing.TB, sc, cc *tls.Config) {
	t.Helper()
	s, c := shake(t, sc, cc)
	echo(t, s, c, []byte("ticket"))
	s.Close()
	c.Close()
}
