// Package admin is the operator's own HTTP server: metrics, health, readiness,
// profiles when asked for, and the API by which operators and tenants look
// after tenants. It authenticates requests and knows nothing of what it shows:
// handlers and functions are passed to it.
package admin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/ratelimit"
)

// Config configures a Server.
type Config struct {
	// Address is host:port. One that other machines reach needs Tokens, or
	// ClientCAs and Clients.
	Address string
	// Tokens are bearer tokens of operators. None, and no ClientCAs either:
	// everybody who reaches a loopback address is an operator, unless Closed.
	// That depends on the configuration alone: a token that is stored later
	// neither opens nor closes anything. /healthz and /readyz, which tell
	// nothing, are open to everybody.
	Tokens []string
	// Closed trusts nobody for reaching the address alone. With Bearers it may
	// be one that other machines reach.
	Closed bool
	// Bearers knows tokens that are kept elsewhere; nil: there are none.
	Bearers Bearers
	// Certificate returns the server's certificate, as tls.Config's
	// GetCertificate does, at each handshake; nil: it speaks clear text.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// ClientCAs sign the certificates of clients; nil: none are asked for.
	ClientCAs *x509.CertPool
	// Clients are the bearers of certificates who may come in.
	Clients []Client
	// API serves what begins with /v1/; nil: nothing.
	API *v1.Handler
	// Connections bounds those that are open at a time; 0: 1024. Relieve frees
	// a descriptor elsewhere when there is none to accept with; nil: nothing
	// does. Only Listen reads them: Update changes neither.
	Connections int
	Relieve     func()
	// Pprof serves /debug/pprof.
	Pprof bool
	// Metrics serves /metrics.
	Metrics http.Handler
	// Ready returns why the host is not ready for traffic; nil if it is.
	Ready func() error
	// Degraded returns, one a line, why the host serves less than it was told
	// to: a policy that is not in force, a full disk. Empty if it does not.
	Degraded func() []string
	// About is shown on the index page: the version, what listens where.
	About func() []string
	// Logger gets errors; nil: they are discarded.
	Logger *slog.Logger
}

// Server is the admin server. Create it with Listen.
type Server struct {
	address  string // as configured
	listener *listener
	http     *http.Server
	failures *ratelimit.Limiter // failed attempts to come in, by peer
	handler  atomic.Pointer[http.Handler]

	draining chan struct{} // closed when streams are to end
	drain    sync.Once
}

// ErrOpen is returned by Listen for an address that other machines reach,
// when nothing protects it.
var ErrOpen = errors.New("not a loopback address, and no token or client certificate protects it")

// Listen binds the address; Serve starts to answer.
func Listen(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("admin address: %w", err)
	}
	s := &Server{
		address: cfg.Address, listener: newListener(l, cfg.Connections, cfg.Relieve), failures: newFailures(),
		draining: make(chan struct{}),
	}
	s.set(cfg)
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		// A profile runs for 30 seconds by default, and for as long as asked.
		WriteTimeout:   5 * time.Minute,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 16 << 10,
		ConnState:      s.listener.connState,
		ErrorLog:       slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// check refuses a configuration that would let anybody in.
func (c Config) check() error {
	if !c.guarded() && !c.Closed && !loopback(c.Address) {
		return fmt.Errorf("admin address %s: %w", c.Address, ErrOpen)
	}
	for i, token := range c.Tokens {
		if len(token) < MinToken {
			return fmt.Errorf("admin token %d of %d is shorter than %d characters", i+1, len(c.Tokens), MinToken)
		}
	}
	if c.ClientCAs != nil && c.Certificate == nil {
		return errors.New("certificates of admin clients need TLS")
	}
	for i, client := range c.Clients {
		if client.Name == "" {
			return fmt.Errorf("admin client %d of %d has no name", i+1, len(c.Clients))
		}
	}
	return nil
}

// guarded reports whether the configuration names somebody who may come in.
func (c Config) guarded() bool {
	return len(c.Tokens) > 0 || c.ClientCAs != nil && len(c.Clients) > 0
}

// Update goes by another configuration from the next request on, and for
// certificates from the next handshake. Its Address must be the same; Logger
// stays.
func (s *Server) Update(cfg Config) error {
	if cfg.Address != s.address {
		return fmt.Errorf("admin server listens on %s, not %s", s.address, cfg.Address)
	}
	if err := cfg.check(); err != nil {
		return err
	}
	s.set(cfg)
	return nil
}

func (s *Server) set(cfg Config) {
	h := s.routes(cfg)
	s.handler.Store(&h)
	s.listener.tls.Store(tlsConfig(cfg))
}

// Address returns the address as configured.
func (s *Server) Address() string { return s.address }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*s.handler.Load()).ServeHTTP(w, r)
}

// Addr returns the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until Close or Shutdown, and returns nil then.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin server: %w", err)
	}
	return nil
}

// Shutdown ends streams, and stops after the requests in flight or when ctx is
// done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain.Do(func() { close(s.draining) })
	if err := s.http.Shutdown(ctx); err != nil {
		return s.Close()
	}
	return nil
}

// Close stops at once, even when Serve was never called.
func (s *Server) Close() error {
	s.drain.Do(func() { close(s.draining) })
	err := s.http.Close()
	if e := s.listener.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// routes returns what answers by a configuration.
func (s *Server) routes(cfg Config) http.Handler {
	d := newAuthenticator(cfg, s.failures)
	pages, calls := pageRoutes(cfg, d), http.Handler(http.HandlerFunc(http.NotFound))
	if cfg.API != nil {
		calls = cfg.API.Serve(v1.Access{Authenticate: d.Authenticate, Draining: s.draining})
	}
	return d.sameOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == api.Prefix || strings.HasPrefix(r.URL.Path, api.Prefix+"/") {
			calls.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
}

// pageRoutes are the pages for people and machines that watch the host.
func pageRoutes(cfg Config, d *authenticator) http.Handler {
	open, locked := http.NewServeMux(), http.NewServeMux()
	open.HandleFunc("GET /healthz", healthz)
	open.HandleFunc("GET /readyz", readyz(cfg))
	open.Handle("/", d.operators(locked))

	locked.HandleFunc("GET /{$}", index(cfg))
	if cfg.Metrics != nil {
		locked.Handle("GET /metrics", cfg.Metrics)
	}
	if cfg.Pprof {
		locked.HandleFunc("/debug/pprof/", pprof.Index)
		locked.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		locked.HandleFunc("/debug/pprof/profile", pprof.Profile)
		locked.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		locked.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return open
}

// loopback reports whether only this machine reaches host:port. A name other
// than localhost may mean anything.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
