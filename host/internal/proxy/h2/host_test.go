package h2

//lint:file-ignore SA1019 a client whose dialling a test can see into

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// host serves HTTP/2 on a real socket, and parks sessions at once.
type host struct {
	gov    *idle.Governor
	server *Server
	acct   *idle.Account
	addr   string
	cert   *tls.Certificate // nil: in the clear
	pool   *x509.CertPool

	runs atomic.Int32 // servers and requests that have begun
	over atomic.Bool  // nothing is to begin
	wg   sync.WaitGroup
}

type hostConfig struct {
	tls      bool
	table    bool          // Config.HeaderTable
	park     time.Duration // 0: 1 ms
	idle     time.Duration // the law of phase StreamIdle; 0: none
	linger   time.Duration // 0: none
	handler  http.Handler  // nil: serveEcho
	observer idle.Observer
}

type connKey struct{}

func newHost(t testing.TB, cfg hostConfig) *host {
	t.Helper()
	if cfg.park == 0 {
		cfg.park = time.Millisecond
	}
	if cfg.linger == 0 {
		cfg.linger = -1
	}
	if cfg.handler == nil {
		cfg.handler = http.HandlerFunc(serveEcho)
	}
	h := &host{gov: idle.New(idle.Config{
		ParkAfter: cfg.park, Granularity: time.Millisecond, Linger: cfg.linger, Observer: cfg.observer,
	})}
	var law policy.Timeouts
	law[abi.PhaseStreamIdle].Idle = cfg.idle
	h.acct = idle.NewAccount("test", policy.Fixed{}, nil, law, policy.Limits{})
	h.server = NewServer(Config{
		HeaderTable: cfg.table,
		Begin: func(f func()) bool {
			if !h.over.Load() {
				h.wg.Go(f)
			}
			return !h.over.Load()
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := r.Context().Value(connKey{}).(*idle.Conn)
			c.Begin(0, false)
			defer c.End()
			cfg.handler.ServeHTTP(w, r)
		}),
	})
	h.server.base.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateActive { // a server begins, or a request
			h.runs.Add(1)
		}
	}
	if cfg.tls {
		h.cert, h.pool = certificate(t)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			h.wg.Go(func() { h.serve(nc) })
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-accepting
		h.gov.Each(func(c *idle.Conn) bool { c.Close(); return true })
		h.wg.Wait()
		h.gov.Close()
	})
	return h
}

func (h *host) serve(nc net.Conn) {
	c := h.gov.Govern(nc, h.acct, abi.SideAccepted)
	var top net.Conn = c
	if h.cert != nil {
		top = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*h.cert}, NextProtos: []string{"h2"}})
	}
	if c.Admit(nil) != nil || ReadPreface(top) != nil {
		top.Close()
		return
	}
	h.server.Serve(context.WithValue(context.Background(), connKey{}, c), top, c)
}

// dial returns a connection of a client's, shaken hands with.
func (h *host) dial(t testing.TB) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if h.cert == nil {
		return nc
	}
	return tls.Client(nc, h.tls())
}

func (h *host) tls() *tls.Config {
	return &tls.Config{RootCAs: h.pool, ServerName: "test.example", NextProtos: []string{"h2"}}
}

// client is x/net's, on one connection.
func (h *host) client(t testing.TB) *http.Client {
	tr := &http2.Transport{
		AllowHTTP:          true,
		DisableCompression: true,
		DialTLSContext: func(context.Context, string, string, *tls.Config) (net.Conn, error) {
			return h.dial(t), nil
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: testnet.Patience}
}

func (h *host) url() string { return "http://" + h.addr + "/" }

// parked waits until n sessions are parked.
func (h *host) parked(t testing.TB, n int) {
	t.Helper()
	poll(t, fmt.Sprintf("%d sessions are parked", n), func() bool { return h.gov.Parked() == n })
}

// poll waits for something that the world does.
func poll(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testnet.Eventually(t, what, ok)
}

// serveEcho answers with as many bytes as X-Size says, and says what it got.
func serveEcho(w http.ResponseWriter, r *http.Request) {
	n, sum := drain(r.Body)
	w.Header().Set("X-Got", fmt.Sprintf("%d/%d", n, sum))
	w.Header().Set("X-Agent-Seen", r.Header.Get("User-Agent"))
	size, _ := strconv.Atoi(r.Header.Get("X-Size"))
	w.Write(pattern(size))
}

// drain counts and sums up what there is.
func drain(r io.Reader) (n int, sum uint32) {
	buf := make([]byte, 8<<10)
	for {
		m, err := r.Read(buf)
		for _, b := range buf[:m] {
			sum = sum*31 + uint32(b)
		}
		n += m
		if err != nil {
			return n, sum
		}
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

// ask sends a request with up bytes and wants down bytes.
func (h *host) ask(t testing.TB, c *http.Client, up, down int) {
	t.Helper()
	body := pattern(up)
	req, err := http.NewRequest("POST", h.url(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Size", strconv.Itoa(down))
	req.Header.Set("X-Some-Header", "worth a place in the table")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("%d bytes up, %d down: %v", up, down, err)
	}
	defer resp.Body.Close()
	n, sum := drain(resp.Body)
	_, want := drain(bytes.NewReader(pattern(down)))
	if n != down || sum != want {
		t.Fatalf("%d bytes come down, want %d; sums %d, %d", n, down, sum, want)
	}
	_, want = drain(bytes.NewReader(body))
	if got := resp.Header.Get("X-Got"); got != fmt.Sprintf("%d/%d", up, want) {
		t.Fatalf("the handler got %s, want %d/%d", got, up, want)
	}
}

func certificate(t testing.TB) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"test.example"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
