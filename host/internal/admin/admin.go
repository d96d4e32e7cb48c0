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
	listener net.Listener
	http     *http.Server
}

// ErrOpen is returned by Listen for an address that other machines reach,
// when no token protects it.
var ErrOpen = errors.New("not a loopback address, and no token protects it")

// Listen binds the address; Serve starts to answer.
func Listen(ctx context.Context, cfg Config) (*Server, error) {
	if len(cfg.Tokens) == 0 && !loopback(cfg.Address) {
		return nil, fmt.Errorf("admin address %s: %w", cfg.Address, ErrOpen)
	}
	for i, token := range cfg.Tokens {
		if len(token) < minToken {
			return nil, fmt.Errorf("admin token %d of %d is shorter than %d characters", i+1, len(cfg.Tokens), minToken)
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("admin address: %w", err)
	}
	return &Server{listener: l, http: &http.Server{
		Handler:           routes(cfg),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		// A profile runs for 30 seconds by default, and for as long as asked.
		WriteTimeout:   5 * time.Minute,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}}, nil
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
