// Command bare is httputil.ReverseProxy on net/http and nothing else: what the
// host is measured against.
//
//	bare -upstream http://127.0.0.1:3000 [-pool]
//
// It listens on a free port and prints the address.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
)

func main() {
	upstream := flag.String("upstream", "", "URL that requests go to")
	pool := flag.Bool("pool", false, "reuse the buffers that bodies are copied through")
	flag.Parse()
	if err := run(*upstream, *pool); err != nil {
		fmt.Fprintln(os.Stderr, "bare: error:", err)
		os.Exit(1)
	}
}

func run(upstream string, pool bool) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 1024
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
	}
	if pool {
		proxy.BufferPool = &buffers{sync.Pool{New: func() any { return new([32 << 10]byte) }}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, proxy)
}

// buffers is an httputil.BufferPool.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return b.pool.Get().(*[32 << 10]byte)[:] }
func (b *buffers) Put(p []byte) { b.pool.Put((*[32 << 10]byte)(p)) }
