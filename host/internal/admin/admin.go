// Package admin is the operator's own HTTP server: metrics, health, readiness
// and, when asked for, profiles. It knows none of what it shows; it is given
// handlers and questions to ask.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"sync/atomic"
	"time"
)

// Config configures a Server.
type Config struct {
	// Address is host:port. One that other machines reach needs Tokens.
	Address string
	// Tokens are the bearer tokens that open everything but /healthz and
	// /readyz, which tell nothing. None: everything is open.
	Tokens []string
	// Pprof serves /debug/pprof.
	Pprof bool
	// Metrics serves /metrics.
	Metrics http.Handler
	// Ready returns why the host is not ready for traffic; nil if it is.
	Ready func() error
	// About is shown on the index page: the version, what listens where.
	About func() []string
	// Logger is told what went wrong; nil: nobody is told.
	Logger *slog.Logger
}

// Server is the admin server. Create it with Listen.
type Server struct {
	address  string // as configured
	listener net.Listener
	http     *http.Server
	handler  atomic.Pointer[http.Handler]
}

// ErrOpen is returned by Listen for an address that other machines reach,
// when no token protects it.
var ErrOpen = errors.New("not a loopback address, and no token protects it")

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
	s := &Server{address: cfg.Address, listener: l}
	s.set(cfg)
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		// A profile runs for 30 seconds by default, and for as long as asked.
		WriteTimeout:   5 * time.Minute,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// check refuses what would let strangers in.
func (c Config) check() error {
	if len(c.Tokens) == 0 && !loopback(c.Address) {
		return fmt.Errorf("admin address %s: %w", c.Address, ErrOpen)
	}
	for i, token := range c.Tokens {
		if len(token) < MinToken {
			return fmt.Errorf("admin token %d of %d is shorter than %d characters", i+1, len(c.Tokens), MinToken)
		}
	}
	return nil
}

// Update goes by another configuration from the next request on. Its Address
// must be the same; Logger stays.
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
	h := routes(cfg)
	s.handler.Store(&h)
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

// Shutdown stops after the requests in flight, or when ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return s.Close()
	}
	return nil
}

// Close stops at once, even when Serve was never called.
func (s *Server) Close() error {
	err := s.http.Close()
	if e := s.listener.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
		err = errors.Join(err, e)
	}
	return err
}

func routes(cfg Config) http.Handler {
	open, locked := http.NewServeMux(), http.NewServeMux()
	open.HandleFunc("GET /healthz", healthz)
	open.HandleFunc("GET /readyz", readyz(cfg.Ready))
	open.Handle("/", guard(cfg.Tokens, locked))

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
	return browserGuard(cfg.Tokens, open)
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
