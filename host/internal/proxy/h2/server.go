// Package h2 serves HTTP/2 sessions. It holds every use of
// golang.org/x/net/http2 on the accepting side, and the frame layer below it
// that knows what a session is doing.
package h2

//lint:file-ignore SA1019 ServeConn takes a connection that was accepted and shaken hands with here; net/http's own HTTP/2 does not.

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/http2"

	"idlehost/host/internal/idle"
	"idlehost/sdk/abi"
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
	// HeaderTable lets clients compress the headers of a request with those of
	// earlier ones, in a table of 4,096 bytes that both sides keep. Sessions
	// are not parked then.
	HeaderTable bool
	// Begin runs f on a goroutine that its owner waits for, or returns false
	// when nothing is to begin any more. What was parked goes on there. nil:
	// sessions are not parked.
	Begin func(f func()) bool
}

// Server serves sessions. It starts no goroutine: Serve runs a session on its
// caller's, Config.Begin one that was parked.
type Server struct {
	base    *http.Server
	http    http2.Server
	table   bool
	begin   func(func()) bool
	nonce   [8]byte   // of PINGs to the server, which clients never see
	buffers sync.Pool // of *controlBuffers

	hostPath  string // the path of the host's own requests
	hostBlock []byte // the header block of one
}

// NewServer returns a Server.
func NewServer(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	s := &Server{
		base: &http.Server{
			Handler:        cfg.Handler,
			MaxHeaderBytes: cfg.MaxHeaderBytes,
			// Errors of clients are for those who debug them.
			ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
		},
		// The framer keeps a buffer of the largest frame it has seen.
		http:  http2.Server{MaxReadFrameSize: maxFrame},
		table: cfg.HeaderTable,
		begin: cfg.Begin,
	}
	rand.Read(s.nonce[:])
	var secret [16]byte
	rand.Read(secret[:])
	s.hostPath, s.hostBlock = hostRequest(secret[:])
	s.buffers.New = func() any { return new(controlBuffers) }
	return s
}

// parks reports whether sessions may be parked.
func (s *Server) parks() bool { return s.begin != nil && !s.table }

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
// preface has been read, until it ends or is parked; at its end, nc is closed.
// Requests get ctx; over TLS, nc is the *tls.Conn.
func (s *Server) Serve(ctx context.Context, nc net.Conn, c *idle.Conn) {
	c.SetProtocol(abi.ProtocolHTTP2)
	c.SetPhase(abi.PhaseStreamIdle)
	newSession(s, ctx, nc, c).serve(nil, true)
}

// secureConn is a Conn over TLS.
type secureConn struct {
	*Conn
	tls *tls.Conn
}

// ConnectionState is what Request.TLS is filled from.
func (s secureConn) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }
