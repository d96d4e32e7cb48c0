package upstream

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// groupOf returns a Group of one target.
func groupOf(t *testing.T, target string) (*Group, *idle.Governor) {
	t.Helper()
	gov := idle.New(idle.Config{Shards: 1})
	g, err := New(Config{
		Governor: gov, Account: idle.NewAccount("test", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{}),
		Targets: []string{target}, TLS: &tls.Config{InsecureSkipVerify: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Close()
		gov.Close()
	})
	return g, gov
}

// TestServerChoosesTheProtocol and may choose otherwise later on.
func TestServerChoosesTheProtocol(t *testing.T) {
	var only atomic.Value // the protocol that the server speaks
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{}
	s.StartTLS()
	defer s.Close()
	s.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := s.TLS.Clone()
		c.NextProtos, c.GetConfigForClient = []string{only.Load().(string)}, nil
		return c, nil
	}
	only.Store("http/1.1")
	g, gov := groupOf(t, s.URL)
	for _, step := range []struct{ speaks, want string }{
		{"http/1.1", "HTTP/1.1"}, {"h2", "HTTP/2.0"}, {"http/1.1", "HTTP/1.1"}, {"h2", "HTTP/2.0"},
	} {
		only.Store(step.speaks)
		gov.Each(func(c *idle.Conn) bool { c.Close(); return true })
		for range 3 {
			var got string
			var err error
			for range 3 { // HTTP/2's transport has to notice the close
				if got, err = send(g, "GET", "/", ""); err == nil {
					break
				}
			}
			if got != step.want || err != nil {
				t.Errorf("%s: %q, %v; want %q", step.speaks, got, err, step.want)
			}
		}
		if n := gov.Open(); n != 1 {
			t.Errorf("%s: %d connections open, want one", step.speaks, n)
		}
	}
}

// TestRequestIsRepeatedOnlyIfHarmless has a server that serves one request a
// connection, and breaks the second one off when it has read it.
func TestRequestIsRepeatedOnlyIfHarmless(t *testing.T) {
	for method, want := range map[string]bool{"GET": true, "OPTIONS": true, "POST": false, "DELETE": false} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		var served atomic.Int64
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go serveOnce(c, &served)
			}
		}()
		g, _ := groupOf(t, "http://"+ln.Addr().String())
		if got, err := send(g, method, "/", ""); got != "hi" || err != nil {
			t.Fatalf("%s: %q, %v; want hi", method, got, err)
		}
		got, err := send(g, method, "/", "")
		if ok := err == nil && got == "hi"; ok != want {
			t.Errorf("%s: %q, %v; whether it is answered should be %v", method, got, err, want)
		}
		if n := served.Load(); want && n != 3 || !want && n != 2 {
			t.Errorf("%s: the server has read %d requests", method, n)
		}
		if !want && !strings.Contains(err.Error(), "without an answer") {
			t.Errorf("%s: %v, want an error about no answer", method, err)
		}
	}
}

func serveOnce(c net.Conn, served *atomic.Int64) {
	defer c.Close()
	p := make([]byte, 4096)
	for i := range 2 {
		if _, err := c.Read(p); err != nil {
			return
		}
		served.Add(1)
		if i == 0 {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		}
	}
}
