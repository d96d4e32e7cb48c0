package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// serveBare is httputil.ReverseProxy on net/http, with pooled copy buffers and
// nothing else.
func serveBare(args []string) error {
	f := flag.NewFlagSet(beBare, flag.ContinueOnError)
	plain := f.String("plain", "", "address of HTTP/1 and h2c")
	secure := f.String("tls", "", "address of TLS")
	cert := f.String("cert", "", "certificate")
	key := f.String("key", "", "its key")
	upstream := f.String("upstream", "", "host:port that requests go to")
	if err := f.Parse(args); err != nil {
		return err
	}
	srv := &http.Server{Handler: bareProxy(*upstream), Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	p, err := net.Listen("tcp", *plain)
	if err != nil {
		return fmt.Errorf("plain: %w", err)
	}
	s, err := net.Listen("tcp", *secure)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	ended := make(chan error, 2)
	go func() { ended <- srv.Serve(p) }()
	go func() { ended <- srv.ServeTLS(s, *cert, *key) }()
	err = <-ended
	srv.Close()
	<-ended
	return err
}

func bareProxy(upstream string) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 1024, 1024
	target := &url.URL{Scheme: "http", Host: upstream}
	return &httputil.ReverseProxy{
		Transport:  transport,
		BufferPool: &buffers{sync.Pool{New: func() any { return new([32 << 10]byte) }}},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
	}
}

// buffers is an httputil.BufferPool.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return b.pool.Get().(*[32 << 10]byte)[:] }
func (b *buffers) Put(p []byte) { b.pool.Put((*[32 << 10]byte)(p)) }
