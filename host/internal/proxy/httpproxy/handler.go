// Package httpproxy serves HTTP requests of governed connections by passing
// them to an upstream: httputil.ReverseProxy with what it leaves to its owner,
// that is forwarding headers, errors a client can read, trailers, upgrades,
// and the phases of the connections on both sides.
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
	// Handler. nil: one of the Handler's own, which nobody waits for.
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
	door     door
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
	h.door.empty.L = &h.door.mu
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
func (h *Handler) Close() { h.door.close() }

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := sessionOf(r.Context())
	if s == nil || !h.door.enter() {
		reply(w, r, http.StatusServiceUnavailable, "the proxy is shutting down")
		return
	}
	defer h.door.leave()
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

// finish ends the request, however it went.
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

// door counts the requests inside. It is not a sync.WaitGroup because
// requests may still arrive while close waits.
type door struct {
	mu     sync.Mutex // guards the following
	empty  sync.Cond
	inside int
	closed bool
}

func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.inside++
	return true
}

func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside--; d.inside == 0 {
		d.empty.Broadcast()
	}
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for d.inside > 0 {
		d.empty.Wait()
	}
}

// buffers holds the buffers that responses are copied through.
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
