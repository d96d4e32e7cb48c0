package h1

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
)

// parrot answers a first request on every connection, and keeps no goroutine
// and no buffer for it.
func parrot(t *testing.T) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		p := make([]byte, 4096)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			nc.Read(p)
			io.WriteString(nc, hello)
			mu.Lock()
			all = append(all, nc)
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
		for _, nc := range all {
			nc.Close()
		}
	})
	return ln.Addr().String()
}

// memory is what the process holds, heap and stacks.
func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestIdleBudget bounds what an idle connection holds beyond the two sockets
// of the process's own, and compares with http.Transport.
func TestIdleBudget(t *testing.T) {
	const n, budget = 500, 1000
	bare := func() (per int64) {
		addr := parrot(t)
		before := memory()
		var all []net.Conn
		for range n {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
			io.ReadFull(nc, make([]byte, len(hello)))
			all = append(all, nc)
		}
		per = (memory() - before) / n
		for _, nc := range all {
			nc.Close()
		}
		return per
	}()
	use := func(do func(*http.Request) (*http.Response, error), settle func()) int64 {
		before := memory()
		var bodies []io.ReadCloser
		for range n {
			res, err := do(request(t.Context(), "GET", ""))
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, res.Body)
		}
		for _, b := range bodies {
			io.Copy(io.Discard, b)
		}
		clear(bodies)
		settle()
		return (memory()-before)/n - bare
	}
	s := newStand(t, options{}, func(nc net.Conn) {})
	addr := parrot(t)
	s.addr.Store(&addr)
	ours := use(func(r *http.Request) (*http.Response, error) {
		_, res, err := s.do(r)
		return res, err
	}, func() { eventually(t, "all parked", func() bool { return s.gov.Parked() == n }) })
	tr := &http.Transport{MaxIdleConnsPerHost: n}
	defer tr.CloseIdleConnections()
	addr = parrot(t)
	theirs := use(func(r *http.Request) (*http.Response, error) {
		r.URL.Host = addr
		return tr.RoundTrip(r)
	}, func() {})
	t.Logf("beyond the sockets: %d bytes, of http.Transport %d", ours, theirs)
	if ours > budget {
		t.Errorf("an idle connection holds %d bytes, more than %d", ours, budget)
	}
}
