package v1_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/testnet"
)

// oneConn is a listener that accepts one connection.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// slowly serves one connection in a bubble; sender is its other end, and
// answered is closed when the head of an answer has come.
func slowly(t *testing.T, h *house) (sender net.Conn, answer func() *http.Response, stop func()) {
	t.Helper()
	handler := v1.New(v1.Config{Service: h}).Serve(v1.Access{
		Authenticate: func(*http.Request) (api.Actor, error) { return api.Actor{Tenant: "shop"}, nil },
	})
	l := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	near, far := testnet.Pipe(64 << 10)
	l.conn <- far
	server := &http.Server{Handler: handler, ReadTimeout: 30 * time.Second, WriteTimeout: 5 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var mu sync.Mutex
	var got *http.Response
	read := make(chan struct{})
	go func() {
		defer close(read)
		res, err := http.ReadResponse(bufio.NewReader(near), nil)
		if err != nil {
			return
		}
		mu.Lock()
		got = res
		mu.Unlock()
	}()
	answer = func() *http.Response {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return got
	}
	return near, answer, func() {
		near.Close()
		server.Close()
		<-served
		<-read
	}
}

const uploadHead = "POST /v1/tenants/shop/policies HTTP/1.1\r\nHost: x\r\nContent-Type: application/wasm\r\nContent-Length: %d\r\n\r\n"

// TestStalledUpload: a pause within a body is not waited for.
func TestStalledUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		sender, answer, stop := slowly(t, h)
		defer stop()
		fmt.Fprintf(sender, uploadHead, 1000)
		io.WriteString(sender, "some")
		synctest.Wait()
		time.Sleep(v1.Stall - time.Nanosecond)
		if res := answer(); res != nil {
			t.Fatalf("answered too early: %s", res.Status)
		}
		time.Sleep(time.Nanosecond)
		if res := answer(); res == nil || res.StatusCode != 408 || !res.Close {
			t.Fatalf("after %s: %+v", v1.Stall, res)
		}
		if h.released != 1 {
			t.Error("the place of the upload was not given back")
		}
	})
}

// TestTrickledUpload: nor is a body that comes in drops, for longer than its
// length is worth.
func TestTrickledUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		sender, answer, stop := slowly(t, h)
		defer stop()
		begin := time.Now()
		fmt.Fprintf(sender, uploadHead, 64<<10)
		for answer() == nil && time.Since(begin) < time.Minute {
			io.WriteString(sender, "x")
			time.Sleep(time.Second)
		}
		if res, took := answer(), time.Since(begin); res == nil || res.StatusCode != 408 || took > 12*time.Second {
			t.Fatalf("after %s: %+v", took, res)
		}
	})
}

// TestLargeUploadOnASlowLine takes longer than the server's own read timeout,
// and is as fast as it must be.
func TestLargeUploadOnASlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		sender, answer, stop := slowly(t, h)
		defer stop()
		begin := time.Now()
		fmt.Fprintf(sender, uploadHead, 4<<20)
		for range 64 {
			io.WriteString(sender, strings.Repeat("x", 64<<10))
			time.Sleep(time.Second)
		}
		if res, took := answer(), time.Since(begin); res == nil || res.StatusCode != 201 || took < time.Minute {
			t.Fatalf("after %s: %+v", took, res)
		}
	})
}

// TestExpectContinue: the body is asked for only if it may come.
func TestExpectContinue(t *testing.T) {
	for name, tt := range map[string]struct {
		busy bool
		want int
	}{"welcome": {false, 100}, "not now": {true, 503}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse()
				if tt.busy {
					h.mayUpload = func() (func(), error) { return nil, api.NewProblem(api.KindBusy, "") }
				}
				sender, answer, stop := slowly(t, h)
				defer stop()
				io.WriteString(sender, strings.Replace(fmt.Sprintf(uploadHead, 10), "\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", 1))
				if res := answer(); res == nil || res.StatusCode != tt.want {
					t.Errorf("response %+v, want status %d", res, tt.want)
				}
			})
		})
	}
}
