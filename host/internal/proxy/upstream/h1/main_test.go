package h1

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// stand is a Client before a server that a test scripts.
type stand struct {
	t      testing.TB
	gov    *idle.Governor
	ln     net.Listener
	client *Client
	dials  atomic.Int64
	tls    *tls.Config // of the client; nil: in clear
	serve  sync.WaitGroup
	addr   atomic.Pointer[string] // of the server
}

// options vary a stand.
type options struct {
	law    policy.Timeouts
	idle   idle.Config
	config Config
	server *tls.Config
}

// newStand returns a Client whose connections are served by script, each on a
// goroutine that the test waits for. It checks that nothing is left.
func newStand(t testing.TB, o options, script func(net.Conn)) *stand {
	t.Helper()
	before := runtime.NumGoroutine()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.idle.Granularity == 0 {
		o.idle.Granularity = time.Millisecond
	}
	o.idle.Shards = 1
	s := &stand{t: t, ln: ln, gov: idle.New(o.idle)}
	if o.server != nil {
		s.tls = &tls.Config{InsecureSkipVerify: true}
		s.ln = tls.NewListener(ln, o.server)
	}
	addr := ln.Addr().String()
	s.addr.Store(&addr)
	account := idle.NewAccount("test", policy.Fixed{}, nil, o.law, policy.Limits{})
	o.config.Dial = func(ctx context.Context) (*Conn, error) {
		s.dials.Add(1)
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", *s.addr.Load())
		if err != nil {
			return nil, err
		}
		c := s.gov.Govern(nc, account, abi.SideDialled)
		c.SetProtocol(abi.ProtocolHTTP1)
		k := NewConn(c)
		if s.tls != nil {
			tc := tls.Client(k.Wire(), s.tls)
			if err := tc.HandshakeContext(ctx); err != nil {
				c.Close()
				return nil, err
			}
			k.Secure(tc)
		}
		if err := c.Admit(nil); err != nil {
			c.Close()
			return nil, err
		}
		return k, nil
	}
	s.client = New(o.config)
	var conns sync.Map
	s.serve.Go(func() {
		for {
			nc, err := s.ln.Accept()
			if err != nil {
				return
			}
			conns.Store(nc, true)
			s.serve.Go(func() {
				defer nc.Close()
				script(nc)
			})
		}
	})
	t.Cleanup(func() {
		s.client.Close()
		ln.Close()
		conns.Range(func(nc, _ any) bool { nc.(net.Conn).Close(); return true })
		s.serve.Wait()
		eventually(t, "every connection closed", func() bool { return s.gov.Open() == 0 })
		s.gov.Close()
		eventually(t, "no goroutine left", func() bool { return runtime.NumGoroutine() <= before })
	})
	return s
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testnet.Eventually(t, what, ok)
}

// answers is a script that reads requests and answers each with the next
// text; the last one goes on.
func answers(texts ...string) func(net.Conn) {
	return func(nc net.Conn) {
		b := bufio.NewReader(nc)
		for i := 0; ; i++ {
			r, err := http.ReadRequest(b)
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			io.WriteString(nc, texts[min(i, len(texts)-1)])
		}
	}
}

// user is the Owner of a test's exchange.
type user struct {
	Call
	conn    *idle.Conn
	reused  bool
	freed   bool
	inform  []int
	refuse  error // for answers of status 1xx
	answers int
}

func (u *user) Start(c *idle.Conn, reused bool) bool {
	u.conn, u.reused = c, reused
	return c.Begin(0, false)
}

func (u *user) Inform(code int, _ textproto.MIMEHeader) error {
	u.inform = append(u.inform, code)
	return u.refuse
}

func (u *user) Answer(*http.Response) { u.answers++ }

func (u *user) Free() { u.freed = true; u.conn.End() }

func request(ctx context.Context, method, content string) *http.Request {
	var body io.Reader
	if content != "" {
		body = strings.NewReader(content)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://server.example/path", body)
	if err != nil {
		panic(err)
	}
	return r
}

// do makes one exchange.
func (s *stand) do(r *http.Request) (*user, *http.Response, error) {
	u := &user{}
	res, err := s.client.RoundTrip(&u.Call, r, u, false)
	return u, res, err
}

// get makes one exchange and returns what is worth comparing of the answer.
func (s *stand) get(r *http.Request) (*user, int, string, error) {
	u, res, err := s.do(r)
	if err != nil {
		return u, 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return u, res.StatusCode, string(b), err
}

// kept returns how many connections are in the pool.
func (s *stand) kept() (n int) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	for k := s.client.newest; k != nil; k = k.older {
		n++
	}
	return n
}

// quiet reports whether nothing has come on the connection that is next.
func (s *stand) quiet() bool {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.client.newest != nil && newProbe().quiet(s.client.newest.raw)
}

// spin lets others run for a while.
func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		runtime.Gosched()
	}
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// certificate makes a TLS configuration for a server.
func certificate(t testing.TB) *tls.Config {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}

// ways are the kinds of connection that a pool holds.
func ways(t *testing.T, o options, f func(*testing.T, options)) {
	t.Run("plain", func(t *testing.T) { f(t, o) })
	t.Run("tls", func(t *testing.T) { o.server = certificate(t); f(t, o) })
}

func (s *stand) mustGet() *user {
	s.t.Helper()
	u, status, content, err := s.get(request(s.t.Context(), "GET", ""))
	if err != nil || status != 200 || content != "hello" {
		s.t.Fatalf("answer %d %q, %v; want 200 \"hello\"", status, content, err)
	}
	return u
}
