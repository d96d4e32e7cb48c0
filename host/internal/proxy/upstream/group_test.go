package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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

// group returns a Group of servers that answer h in scheme.
func group(t *testing.T, scheme string, law policy.Timeouts, servers int, h http.Handler) (*Group, *idle.Governor) {
	t.Helper()
	gov := idle.New(idle.Config{Shards: 1, Granularity: time.Millisecond})
	var targets []string
	var stop []func()
	for range servers {
		s := httptest.NewUnstartedServer(h)
		s.Config.Protocols = new(http.Protocols)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.Config.Protocols.SetHTTP1(scheme != "h2c")
		s.Config.Protocols.SetUnencryptedHTTP2(scheme == "h2c")
		if scheme == "https" {
			s.Config.Protocols.SetHTTP2(true)
			s.EnableHTTP2 = true
			s.StartTLS()
		} else {
			s.Start()
		}
		targets = append(targets, strings.Replace(s.URL, "http:", strings.Replace(scheme, "https", "http", 1)+":", 1))
		stop = append(stop, s.CloseClientConnections, s.Close)
	}
	g, err := New(Config{
		Governor: gov, Account: idle.NewAccount("test", policy.Fixed{}, nil, law, policy.Limits{}),
		Targets: targets, TLS: &tls.Config{InsecureSkipVerify: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Close()
		for _, f := range stop {
			f()
		}
		gov.Close()
	})
	return g, gov
}

// body is a request's content as the proxy makes it: it survives Close.
type body struct {
	io.Reader
	x *Exchange
}

func (b body) Close() error { return nil }
func (b body) Read(p []byte) (int, error) {
	b.x.Touched.Store(true)
	return b.Reader.Read(p)
}

// send makes one exchange and returns the answer's content.
func send(g *Group, method, path, content string) (string, error) {
	x := &Exchange{HasBody: content != ""}
	x.Attach(context.Background())
	req, err := http.NewRequestWithContext(x, method, "http://proxy.example"+path, nil)
	if err != nil {
		return "", err
	}
	if content != "" {
		b := body{strings.NewReader(content), x}
		req.Body, req.ContentLength = b, int64(len(content))
		req.GetBody = func() (io.ReadCloser, error) {
			if x.Touched.Load() {
				return nil, errors.New("touched")
			}
			return b, nil
		}
	}
	res, err := g.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return string(got), err
}

func phases(gov *idle.Governor) string {
	var s []string
	gov.Each(func(c *idle.Conn) bool {
		s = append(s, c.Phase().String())
		return true
	})
	return strings.Join(s, " ")
}

func TestConnectionsGoIdleAndAreReused(t *testing.T) {
	for scheme, want := range map[string]string{"http": "idle", "https": "stream_idle", "h2c": "stream_idle"} {
		t.Run(scheme, func(t *testing.T) {
			g, gov := group(t, scheme, policy.Timeouts{}, 1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/204":
					w.WriteHeader(204)
				case "/long":
					w.Write(make([]byte, 1<<20))
				}
			}))
			for i, path := range []string{"/204", "/short", "/long", "/204"} {
				if _, err := send(g, "POST", path, strings.Repeat("x", i)); err != nil {
					t.Fatal(err)
				}
				if got := phases(gov); got != want {
					t.Errorf("after %s the connections are in phase %q, want one in %q", path, got, want)
				}
			}
		})
	}
}

func TestTargetsServeInTurn(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	g, _ := group(t, "http", policy.Timeouts{}, 3, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Context().Value(http.LocalAddrContextKey).(fmt.Stringer).String()]++
	}))
	for range 12 {
		if _, err := send(g, "GET", "/", ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 {
		t.Fatalf("%d targets were asked", len(seen))
	}
	for a, n := range seen {
		if n != 4 {
			t.Errorf("%s was asked %d times of 12", a, n)
		}
	}
}

func TestUpstreamsOwnTimeoutIsKept(t *testing.T) {
	g, gov := group(t, "http", law(abi.PhaseIdle, time.Hour), 1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Keep-Alive", "timeout=1") // a hint of 1 ms: nothing is safe
		io.WriteString(w, "x")
	}))
	if _, err := send(g, "GET", "/", ""); err != nil {
		t.Fatal(err)
	}
	testnet.Eventually(t, "the connection ends before what the upstream announced", func() bool { return gov.Open() == 0 })
}

func law(p policy.Phase, d time.Duration) (l policy.Timeouts) {
	l[p].Idle = d
	return l
}

// TestNoRequestIsLostOrDoubled sends requests while the law ends connections
// about as soon as they are idle: often in the moment in which they are chosen.
func TestNoRequestIsLostOrDoubled(t *testing.T) {
	for _, scheme := range []string{"http", "https", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			var served atomic.Int64
			l := law(abi.PhaseIdle, time.Millisecond)
			l[abi.PhaseStreamIdle].Idle = time.Millisecond
			g, _ := group(t, scheme, l, 1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				served.Add(1)
				b, _ := io.ReadAll(r.Body)
				w.Write(b)
			}))
			const each, n = 150, 3
			var senders sync.WaitGroup
			for range n {
				senders.Go(func() {
					for i := range each {
						method, content := "GET", ""
						if i%2 == 0 {
							method, content = "POST", strings.Repeat("y", 1+rand.IntN(2000))
						}
						got, err := send(g, method, "/", content)
						if err != nil || got != content {
							t.Errorf("%s %d: %d bytes of %d, %v", method, i, len(got), len(content), err)
							return
						}
						for until := time.Now().Add(time.Duration(rand.IntN(2500)) * time.Microsecond); time.Now().Before(until); {
							runtime.Gosched() // about as long as the law allows
						}
					}
				})
			}
			senders.Wait()
			if got := served.Load(); got != n*each {
				t.Errorf("%d requests were served of %d sent", got, n*each)
			}
		})
	}
}
