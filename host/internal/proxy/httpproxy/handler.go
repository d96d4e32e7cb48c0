// Package httpproxy passes HTTP requests of governed connections to an upstream. It
// adds to httputil.ReverseProxy forwarding headers, errors that a client can read,
// trailers, upgrades, and the phases of the connections on both sides.
package httpproxy

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"runtime/debug"
	"sync"

	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/proxy/tunnel"
	"idlehost/host/internal/proxy/upstream"
)

// Config configures a Handler. The zero value works.
type Config struct {
	Logger *slog.Logger // nil: slog.Default
	// Draining tells that answers are the last of their connection; may be nil.
	Draining func() bool
	// Context ends what a request waits for that is not its own, when no more
	// are served; nil: nothing does.
	Context context.Context
	// Tunnels owns upgraded connections; its owner closes it after the
	// Handler. nil: one of the Handler's own, which is not waited for.
	Tunnels *tunnel.Group
}

// Handler serves the requests of every Session. A request's context must
// carry its session (Session.Context).
type Handler struct {
	log      *slog.Logger
	ctx      context.Context // Config.Context
	draining func() bool
	tunnels  *tunnel.Group
	proxy    httputil.ReverseProxy
	lines    lines
	requests requests
	nothing  route.Site // of targets that have none
}

// New returns a Handler.
func New(cfg Config) *Handler {
	h := &Handler{log: cfg.Logger, ctx: cfg.Context, draining: cfg.Draining, tunnels: cfg.Tunnels, lines: newLines()}
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.ctx == nil {
		h.ctx = context.Background()
	}
	if h.draining == nil {
		h.draining = func() bool { return false }
	}
	if h.tunnels == nil {
		h.tunnels = new(tunnel.Group)
	}
	h.proxy = httputil.ReverseProxy{
		Rewrite:        h.rewrite,
		Transport:      transport{},
		ModifyResponse: h.modifyResponse,
		ErrorHandler:   h.fail,
		BufferPool:     &buffers{},
		// A broken answer is logged with its upstream, by logBroken.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return h
}

// Close turns new requests away and returns when none is being served. The
// caller ends the connections of those that would go on.
func (h *Handler) Close() { h.requests.close() }

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := sessionOf(r.Context())
	if s == nil || !h.requests.begin() {
		reply(w, r, http.StatusServiceUnavailable, "the proxy is shutting down")
		return
	}
	defer h.requests.end()
	site, refused := h.resolve(s, r)
	if site == nil {
		site = &h.nothing
	}
	x := begin(s, site, w, r)
	defer h.finish(x)
	if h.draining() {
		w.Header().Set("Connection", "close") // over HTTP/2 the server makes a GOAWAY of it
	}
	if s.h2 {
		w = &x.writer
	}
	if refused != nil {
		refuse(w, r, refused)
		return
	}
	if site.Upstream == nil && site.Local != nil {
		x.Attach(r.Context())
		site.Local.ServeHTTP(w, x.request())
		return
	}
	h.forward(w, r, x)
}

// forward passes the request to the upstream.
func (h *Handler) forward(w http.ResponseWriter, r *http.Request, x *exchange) {
	if x.HasBody && r.ContentLength < 0 && r.Trailer == nil {
		// An HTTP/1 client need not announce trailers; this is where they
		// arrive, and what the upstream's request shares.
		r.Trailer = http.Header{}
	}
	x.Attach(r.Context())
	h.proxy.ServeHTTP(w, x.request())
}

// finish ends the request, also after a panic.
func (h *Handler) finish(x *exchange) {
	p := recover()
	x.end()
	if p == nil {
		return
	}
	if p != http.ErrAbortHandler {
		h.log.Error("panic while serving a request", "panic", p, "stack", string(debug.Stack()))
	} else {
		h.logBroken(x)
	}
	panic(http.ErrAbortHandler) // the server ends the connection or stream
}

// transport hands requests to the group of their session.
type transport struct{}

func (transport) RoundTrip(r *http.Request) (*http.Response, error) {
	g := exchangeOf(r.Context()).site.Upstream
	if g == nil {
		return nil, upstream.ErrNoTarget
	}
	return g.RoundTrip(r)
}

// requests counts the requests that are served, until close.
type requests struct {
	mu     sync.Mutex // guards closed, and that nothing is added to served after it
	closed bool
	served sync.WaitGroup
}

// begin counts a request until end. It returns false after close.
func (r *requests) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.served.Add(1)
	}
	return !r.closed
}

func (r *requests) end() { r.served.Done() }

// close waits for the requests that are served.
func (r *requests) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.served.Wait()
}

// buffers is the pool of buffers that answers are copied through.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(p []byte) {
	if len(p) == bufferSize {
		b.pool.Put((*[bufferSize]byte)(p))
	}
}
