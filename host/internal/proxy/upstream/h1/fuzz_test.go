package h1

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// seen is what a client makes of an answer.
type seen struct {
	status  int
	header  string
	content string
	trailer string
	failed  bool
}

func look(res *http.Response, err error) seen {
	if err != nil {
		return seen{failed: true}
	}
	defer res.Body.Close()
	if res.StatusCode == 101 {
		return seen{status: 101, header: fmt.Sprint(res.Header)}
	}
	b, err := io.ReadAll(res.Body)
	return seen{res.StatusCode, fmt.Sprint(res.Header), string(b), fmt.Sprint(res.Trailer), err != nil}
}

// FuzzAnswer shows an answer to this client and to http.Transport, who must
// see the same. Afterwards nothing of either may run: a bubble that does not
// end fails.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		hello, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nall", switching,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 1xx\r\n\r\n", "\r\n",
	} {
		f.Add("GET", []byte(s))
		f.Add("HEAD", []byte(s))
		f.Add("POST", []byte(s))
	}
	f.Fuzz(func(t *testing.T, method string, answer []byte) {
		if method != "HEAD" && method != "POST" {
			method = "GET"
		}
		var ours, theirs seen
		synctest.Test(t, func(t *testing.T) {
			ours = exchangeOurs(method, answer)
			theirs = exchangeTheirs(method, answer)
		})
		if theirs.header != "" && theirs.status < 100 && ours.failed {
			return // a server could not pass it on
		}
		if ours != theirs {
			t.Errorf("%s %q:\n ours   %+v\n theirs %+v", method, answer, ours, theirs)
		}
	})
}

// speaker returns the client's end of a connection to a server that answers a
// request of 2 bytes of content at most with answer, and closes.
func speaker(answer []byte) net.Conn {
	client, server := testnet.Pipe(1 << 20)
	go func() {
		defer server.Close()
		b := reader(server)
		if len(skipHead(b)) == 0 {
			return
		}
		server.Write(answer)
		server.CloseWrite()
		io.Copy(io.Discard, b)
	}()
	return client
}

func ask(method string) *http.Request {
	r, _ := http.NewRequestWithContext(context.Background(), method, "http://a.example/", nil)
	if method == "POST" {
		r, _ = http.NewRequestWithContext(context.Background(), method, "http://a.example/", strings.NewReader("hi"))
	}
	return r
}

func exchangeOurs(method string, answer []byte) seen {
	gov := idle.New(idle.Config{Shards: 1})
	defer gov.Close()
	account := idle.NewAccount("test", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
	c := New(Config{MaxHeaderBytes: 1 << 20, Dial: func(context.Context) (*Conn, error) {
		g := gov.Govern(speaker(answer), account, abi.SideDialled)
		g.SetProtocol(abi.ProtocolHTTP1)
		return NewConn(g), g.Admit(nil)
	}})
	defer c.Close()
	u := &user{}
	res, err := c.RoundTrip(&u.Call, ask(method), u, false)
	defer synctest.Wait()
	return look(res, err)
}

func exchangeTheirs(method string, answer []byte) seen {
	tr := &http.Transport{DisableCompression: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return speaker(answer), nil
	}}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(ask(method))
	return look(res, err)
}

// FuzzChunk frames content as httputil would.
func FuzzChunk(f *testing.F) {
	f.Add(1)
	f.Add(blockSize)
	f.Fuzz(func(t *testing.T, n int) {
		n = 1 + int(uint(n)%blockSize)
		b := new(block)
		copy(b.data(), bytes.Repeat([]byte("x"), n))
		if got, want := string(b.chunk(n)), fmt.Sprintf("%x\r\n%s\r\n", n, strings.Repeat("x", n)); got != want {
			t.Errorf("%d bytes: %d, want %d", n, len(got), len(want))
		}
	})
}
