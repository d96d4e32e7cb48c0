package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy"
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/testnet"
)

// flaky is a listener that fails a few times before each connection.
type flaky struct {
	*memory
	fail int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.fail > 0 {
		f.fail--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.memory.Accept()
}

func TestAcceptSurvivesRunningOutOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &buffer{}
		gov := idle.New(idle.Config{Shards: 1, Linger: -1})
		ln := &flaky{memory: &memory{conns: make(chan net.Conn), done: make(chan struct{})}, fail: 12}
		p, err := proxy.New(proxy.Config{
			Governor: gov, Logger: slog.New(slog.NewTextHandler(log, nil)),
			Router: one{target{
				account: idle.NewAccount("test", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{}),
				site:    &route.Site{Local: http.NotFoundHandler()},
			}},
			Listeners: []proxy.Listener{{Listener: ln, Name: "flaky"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		served := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { defer close(served); p.Serve(ctx) }()
		c := ln.dial()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 404 {
			t.Errorf("answer %v, %v; want 404", res, err)
		}
		// 5, 10, ... 640, then 1,000 ms four times
		if d := time.Since(start); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("accepted after %v", d)
		}
		if n := strings.Count(log.String(), "cannot accept"); n != 1 {
			t.Errorf("%d lines for one burst", n)
		}
		cancel()
		<-served
		p.Close()
		gov.Close()
	})
}

func TestServeEndsWhileAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gov := idle.New(idle.Config{Shards: 1})
		ln := &flaky{memory: &memory{conns: make(chan net.Conn), done: make(chan struct{})}, fail: 1 << 30}
		p, err := proxy.New(proxy.Config{
			Governor: gov, Router: one{}, Logger: slog.New(slog.DiscardHandler),
			Listeners: []proxy.Listener{{Listener: ln}},
		})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() { defer close(served); p.Serve(t.Context()) }()
		time.Sleep(time.Minute)
		p.Close()
		<-served
		gov.Close()
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	gov := idle.New(idle.Config{Shards: 1})
	defer gov.Close()
	for _, cfg := range []proxy.Config{
		{}, {Governor: gov}, {Governor: gov, Router: one{}}, {Router: one{}, Listeners: make([]proxy.Listener, 1)},
	} {
		if _, err := proxy.New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func TestDrainAnswersWhatIsUnderWay(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		arrived, release := make(chan struct{}), make(chan struct{})
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(arrived)
				<-release
			}
			io.WriteString(w, "done")
		})})
		silent := r.dial(m, "http/1.1") // never says a word
		r.get("/").Body.Close()
		got := make(chan string, 1)
		go func() {
			res, err := r.client.Do(r.request("GET", "/slow", nil))
			if err != nil {
				got <- err.Error()
				return
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			got <- string(b)
			if err != nil {
				t.Error(err)
			}
		}()
		<-arrived
		drained := make(chan int)
		ctx, cancel := context.WithTimeout(context.Background(), testnet.Patience)
		defer cancel()
		go func() { drained <- r.gov.Drain(ctx) }()
		io.Copy(io.Discard, silent) // ended at once
		close(release)
		if s := <-got; s != "done" {
			t.Errorf("the request under way got %q", s)
		}
		if left := <-drained; left != 0 {
			t.Errorf("%d connections are left", left)
		}
	}, every...)
}

func TestCloseEndsEverything(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		arrived := make(chan struct{})
		r := start(t, setup{mode: m, server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-r.Context().Done()
		})})
		r.dial(m, "http/1.1")
		failed := make(chan error, 1)
		go func() {
			_, err := r.client.Do(r.request("GET", "/", nil))
			failed <- err
		}()
		<-arrived
		r.proxy.Close()
		r.proxy.Close()
		<-failed
		if n := r.gov.Open(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
		if _, err := net.Dial("tcp", r.addr); err == nil {
			t.Error("still listening")
		}
	}, every...)
}

// byTLS routes by server name.
type byTLS map[string]route.Target

func (b byTLS) Route(h *route.ConnInfo) (route.Target, error) {
	if h.TLS && !h.HelloRead { // the handshake is still to come
		return b[""], nil
	}
	t, ok := b[h.ServerName]
	if !ok {
		return t, errors.New("unknown server name")
	}
	return t, nil
}

func TestTenantByServerName(t *testing.T) {
	leaks(t)
	gov := idle.New(idle.Config{Shards: 1})
	tenant := func(name string) route.Target {
		return target{
			account: idle.NewAccount(name, policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{}),
			site: &route.Site{Local: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, name)
			})},
		}
	}
	router := byTLS{"": tenant("nobody"), "a.example": tenant("a"), "x.wild.example": tenant("x")}
	p := newPair(t, t.TempDir(), "p", "a.example", "*.wild.example")
	certs, err := proxy.NewCertificates([]proxy.KeyPair{p.KeyPair}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	px, err := proxy.New(proxy.Config{
		Governor: gov, Router: router, Logger: slog.New(slog.DiscardHandler),
		Listeners: []proxy.Listener{{Listener: ln, Name: "tls", TLS: certs}},
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { defer close(served); px.Serve(ctx) }()
	r := &rig{t: t, addr: ln.Addr().String(), url: "https://" + ln.Addr().String(), log: &buffer{}}
	for name, want := range map[string]string{"a.example": "a", "x.wild.example": "x", "y.wild.example": ""} {
		tr := r.transport(h2s)
		tr.TLSClientConfig.InsecureSkipVerify = true
		tr.TLSClientConfig.ServerName = name
		c := http.Client{Transport: tr}
		res, err := c.Get(r.url)
		if want == "" {
			if err == nil {
				t.Errorf("%s is served", name)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(res.Body); string(b) != want {
			t.Errorf("%s is served by %q", name, b)
		}
		res.Body.Close()
		if n := router[name].Account().Open(); n != 1 {
			t.Errorf("%s has %d connections", name, n)
		}
		tr.CloseIdleConnections()
	}
	cancel()
	<-served
	px.Close()
	gov.Close()
}

func TestRefusalIsWellFormed(t *testing.T) {
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(proxy.Sorry)), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || strconv.Itoa(len(b)) != res.Header.Get("Content-Length") || !strings.HasSuffix(proxy.Sorry, string(b)) || len(b) == 0 {
		t.Errorf("content %q, fields %v, %v; want the end of proxy.Sorry", b, res.Header, err)
	}
	if _, rest, _ := strings.Cut(proxy.Sorry, "\r\n\r\n"); rest != string(b) {
		t.Errorf("content %q does not end with %q", b, rest)
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte(http2.ClientPreface + "more"))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nXX"))
	f.Add([]byte("G"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, r := range map[string]io.Reader{"whole": bytes.NewReader(b), "bytes": iotest.OneByteReader(bytes.NewReader(b))} {
			head, h2, err := proxy.Sniff(r)
			rest, _ := io.ReadAll(r)
			switch {
			case err != nil:
				if !strings.HasPrefix(http2.ClientPreface, string(b)) {
					t.Errorf("%s: %v, want an error for the beginning of a preface only", name, err)
				}
			case h2:
				if http2.ClientPreface+string(rest) != string(b) {
					t.Errorf("%s: taken for HTTP/2", name)
				}
			default:
				if string(head)+string(rest) != string(b) || strings.HasPrefix(string(b), http2.ClientPreface) {
					t.Errorf("%s: taken for HTTP/1, %q then %q", name, head, rest)
				}
			}
		}
	})
}
