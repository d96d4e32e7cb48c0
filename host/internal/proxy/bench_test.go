package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"testing"
)

// BenchmarkRequest compares a small request through the proxy, over one
// connection in HTTP/1, with the same through httputil.ReverseProxy. Client
// and upstream, which cost the same, are included.
func BenchmarkRequest(b *testing.B) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	b.Run("bare", func(b *testing.B) {
		up := httptest.NewServer(hello)
		defer up.Close()
		target := mustURL(up.URL)
		rp := &httputil.ReverseProxy{
			Rewrite:    func(pr *httputil.ProxyRequest) { pr.SetURL(target); pr.SetXForwarded() },
			Transport:  &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true},
			BufferPool: &pool{},
		}
		s := httptest.NewServer(rp)
		defer s.Close()
		ask(b, s.Listener.Addr().String())
	})
	b.Run("governed", func(b *testing.B) {
		ask(b, start(b, setup{mode: h1, server: hello}).addr)
	})
}

type pool struct{ sync.Pool }

func (p *pool) Get() []byte {
	if b, ok := p.Pool.Get().(*[32 << 10]byte); ok {
		return b[:]
	}
	return make([]byte, 32<<10)
}

func (p *pool) Put(b []byte) { p.Pool.Put((*[32 << 10]byte)(b)) }

// ask sends b.N requests, one after the other.
func ask(b *testing.B, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
	}
}
