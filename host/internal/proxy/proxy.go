// Package proxy accepts connections and leads each through its life: governed
// by the idle layer, through TLS and the detection of the protocol, to the
// HTTP proxy or the TCP relay. It knows protocols, neither Wasm nor tenants:
// a route.Router says which tenant a connection belongs to.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/proxy/h2"
	"idlehost/host/internal/proxy/httpproxy"
	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/proxy/tunnel"
)

// Config configures a Proxy.
type Config struct {
	Governor  *idle.Governor
	Router    route.Router
	Listeners []Listener
	Logger    *slog.Logger // nil: slog.Default
	// Unrouted is the account of connections that belong to no tenant: before a
	// PROXY header has come, and where the Router refuses. nil: one of the
	// Proxy's own, whose timeouts are 10 s.
	Unrouted *idle.Account
	// MaxHeaderBytes bounds a request's header section. 0: 128 KiB.
	MaxHeaderBytes int
	// HeaderTable lets HTTP/2 clients compress headers with those of earlier
	// requests; their sessions do not park.
	HeaderTable bool
	// CertificateCheck is how often certificate files are looked at. 0: 10 s.
	CertificateCheck time.Duration
}

// Proxy serves listeners. Create it with New, run it with Serve, end it with
// Close.
type Proxy struct {
	gov       *idle.Governor
	router    route.Router
	unrouted  *idle.Account
	log       *slog.Logger
	listeners []*Listener
	check     time.Duration
	handler   *httpproxy.Handler
	http1     *http.Server
	http2     *h2.Server
	tunnels   tunnel.Group
	inbox     *inbox

	ctx     context.Context // of every request
	cancel  context.CancelFunc
	stopped chan struct{}  // closed when no more connections are accepted
	loops   sync.WaitGroup // accept loops and certificate watches; added to by begin
	served  sync.WaitGroup // http1, from begin to Close
	stays   sync.WaitGroup // connections that http1 serves; added to while served runs
	crew    crew
	closing atomic.Bool // Close was called: nothing parks any more
	never   time.Time   // before any moment that idleTimeout after now is
	close   sync.Once

	farewells farewells

	mu     sync.Mutex // guards the following
	begun  bool       // the loops run
	halted bool       // stopped is closed
}

// New returns a Proxy. It starts nothing.
func New(cfg Config) (*Proxy, error) {
	switch {
	case cfg.Governor == nil:
		return nil, errors.New("proxy: no governor")
	case cfg.Router == nil:
		return nil, errors.New("proxy: no router")
	case len(cfg.Listeners) == 0:
		return nil, errors.New("proxy: no listener")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.MaxHeaderBytes <= 0 {
		cfg.MaxHeaderBytes = 128 << 10
	}
	if cfg.CertificateCheck <= 0 {
		cfg.CertificateCheck = 10 * time.Second
	}
	if cfg.Unrouted == nil {
		cfg.Unrouted = newUnroutedAccount()
	}
	p := &Proxy{
		gov: cfg.Governor, router: cfg.Router, unrouted: cfg.Unrouted, log: cfg.Logger, check: cfg.CertificateCheck,
		inbox: newInbox(), stopped: make(chan struct{}),
	}
	p.never = time.Now().Add(idleTimeout / 2)
	p.farewells.crew = &p.crew
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.handler = httpproxy.New(httpproxy.Config{
		Logger: cfg.Logger, Context: p.ctx, Draining: cfg.Governor.Draining, Tunnels: &p.tunnels,
	})
	for i := range cfg.Listeners {
		p.listeners = append(p.listeners, newListener(cfg.Listeners[i]))
	}
	p.http1 = p.newHTTP1(cfg.MaxHeaderBytes)
	p.http2 = h2.NewServer(h2.Config{
		Handler: p.handler, Logger: cfg.Logger, MaxHeaderBytes: cfg.MaxHeaderBytes,
		HeaderTable: cfg.HeaderTable, Begin: p.crew.begin,
	})
	return p, nil
}

// newHTTP1 returns the server of HTTP/1. Its timeouts never expire: the idle layer
// bounds every phase.
func (p *Proxy) newHTTP1(maxHeader int) *http.Server {
	s := &http.Server{
		Handler:        p.handler,
		MaxHeaderBytes: maxHeader,
		IdleTimeout:    idleTimeout,
		Protocols:      new(http.Protocols),
		// OPTIONS * is a question to the upstream.
		DisableGeneralOptionsHandler: true,
		// Errors of clients are for those who debug them.
		ErrorLog:    slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return p.ctx },
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return connOf(nc).stay.session.Context(ctx)
		},
		ConnState: func(nc net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew: // Serve, which Close waits for, says so
				p.stays.Add(1)
			case http.StateIdle:
				connOf(nc).idle.End()
			case http.StateHijacked, http.StateClosed:
				p.stays.Done()
			}
		},
	}
	s.Protocols.SetHTTP1(true)
	return s
}

// Serve accepts connections until ctx is done, then closes the listeners and
// returns. Connections go on: drain them through the Governor, then Close. It
// is called once.
func (p *Proxy) Serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.begin(ctx) {
		select {
		case <-ctx.Done():
		case <-p.stopped:
		}
	}
	cancel()
	p.halt()
	p.loops.Wait()
}

// begin starts the loops, unless the Proxy is closed already.
func (p *Proxy) begin(ctx context.Context) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halted || p.begun {
		return false
	}
	p.begun = true
	p.served.Go(func() { p.http1.Serve(p.inbox) })
	for _, l := range p.listeners {
		p.loops.Go(func() { p.accept(l) })
		if l.TLS != nil {
			p.loops.Go(func() { l.TLS.Run(ctx, p.check) })
		}
	}
	return true
}

// halt stops accepting. Nothing is added to the wait groups after it.
func (p *Proxy) halt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halted {
		return
	}
	p.halted = true
	close(p.stopped)
	for _, l := range p.listeners {
		l.Close()
	}
}

// Reload reads certificates again that have changed.
func (p *Proxy) Reload() error {
	var errs []error
	for _, l := range p.listeners {
		if l.TLS != nil {
			errs = append(errs, l.TLS.Reload())
		}
	}
	return errors.Join(errs...)
}

// Close stops accepting, ends every connection of the Governor that is still
// open, and returns when nothing runs any more.
func (p *Proxy) Close() error {
	p.close.Do(func() {
		p.halt()
		p.loops.Wait()
		p.cancel()
		p.closing.Store(true)
		for _, nc := range p.inbox.end() {
			nc.Close()
		}
		p.http1.Close()
		p.served.Wait()
		done := make(chan struct{})
		go p.wait(done)
		p.sever(done)
	})
	return nil
}

// wait closes done when no connection and no request is being served.
// http.Server.Close does not wait for the goroutines of its connections.
func (p *Proxy) wait(done chan struct{}) {
	p.crew.end()
	p.handler.Close()
	p.tunnels.Close()
	p.stays.Wait()
	close(done)
}

// sever closes connections until done, and then until the end of the last one
// has been observed. A connection on its way from one stage to the next, or being
// parked, may be missed at first; and while a goroutine of the Governor's closes
// one, Close of that connection returns before its end has been observed.
func (p *Proxy) sever(done <-chan struct{}) {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		p.gov.Each(func(c *idle.Conn) bool {
			c.Close()
			return true
		})
		if done == nil && p.gov.Open() == 0 {
			return
		}
		select {
		case <-done:
			done = nil
		case <-t.C:
		}
	}
}
