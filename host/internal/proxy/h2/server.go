// Package h2 serves HTTP/2 sessions. It holds every use of
// golang.org/x/net/http2 on the accepting side, and the frame layer below it
// that knows what a session is doing.
package h2

//lint:file-ignore SA1019 ServeConn takes a connection that was accepted and shaken hands with here; net/http's own HTTP/2 does not.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/net/http2"

	"idlehost/host/internal/idle"
)

// Preface is what a client sends first (RFC 9113 section 3.4).
const Preface = http2.ClientPreface

var errPreface = errors.New("not an HTTP/2 connection preface")

// Config configures a Server.
type Config struct {
	Handler http.Handler
	Logger  *slog.Logger // nil: slog.Default
	// MaxHeaderBytes bounds a request's header section. 0: net/http's default.
	MaxHeaderBytes int
}

// Server serves sessions. It starts nothing of its own: Serve does all.
type Server struct {
	base *http.Server
	http http2.Server
}

// NewServer returns a Server.
func NewServer(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Server{
		base: &http.Server{
			Handler:        cfg.Handler,
			MaxHeaderBytes: cfg.MaxHeaderBytes,
			// What clients do wrong is of interest to who debugs them.
			ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
		},
		// The framer keeps a buffer of the largest frame it has seen.
		http: http2.Server{MaxReadFrameSize: 16 << 10},
	}
}

// ReadPreface reads the connection preface.
func ReadPreface(r io.Reader) error {
	var b [len(Preface)]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return fmt.Errorf("read preface: %w", err)
	}
	if string(b[:]) != Preface {
		return errPreface
	}
	return nil
}

// Serve serves a session on nc, whose governed connection is c and whose
// preface has been read, until it ends, and closes nc. Requests get ctx; over
// TLS, nc is the *tls.Conn.
func (s *Server) Serve(ctx context.Context, nc net.Conn, c *idle.Conn) {
	layer := NewConn(nc, c)
	var served net.Conn = layer
	if t, ok := nc.(*tls.Conn); ok {
		served = secure{layer, t}
	}
	s.http.ServeConn(served, &http2.ServeConnOpts{Context: ctx, BaseConfig: s.base, SawClientPreface: true})
}

// secure shows the server that the session is one over TLS.
type secure struct {
	*Conn
	tls *tls.Conn
}

// ConnectionState is what Request.TLS is filled from.
func (s secure) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }
