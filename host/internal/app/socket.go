package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"idlehost/host/internal/config"
)

// socket is a bound address. It outlives the listeners that accept from it, so
// that a reload can change what a listener speaks without refusing anybody.
type socket struct {
	address string // as configured
	inner   *net.TCPListener
}

func bind(ctx context.Context, address string) (*socket, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &socket{address: address, inner: l.(*net.TCPListener)}, nil
}

// tap is one listener's use of a socket. Closing it leaves the socket bound:
// connections wait in its queue for the next tap. Only one tap of a socket
// accepts at a time.
type tap struct {
	socket *socket
	closed atomic.Bool
}

// open lets the tap accept, after the one before it was closed.
func (s *socket) open() *tap {
	// An error means that the socket is closed, which Accept reports.
	_ = s.inner.SetDeadline(time.Time{})
	return &tap{socket: s}
}

// Accept returns the next connection; net.ErrClosed after Close.
func (t *tap) Accept() (net.Conn, error) {
	if t.closed.Load() {
		return nil, net.ErrClosed
	}
	nc, err := t.socket.inner.Accept()
	if err != nil && t.closed.Load() {
		return nil, net.ErrClosed
	}
	return nc, err
}

// Close wakes Accept.
func (t *tap) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	return t.socket.inner.SetDeadline(time.Unix(1, 0))
}

// Addr returns the bound address.
func (t *tap) Addr() net.Addr { return t.socket.inner.Addr() }

// bindFailure is an address that could not be listened on.
type bindFailure struct {
	error
	hint string
}

func (b *bindFailure) Hint() string  { return b.hint }
func (b *bindFailure) Unwrap() error { return b.error }

func bindError(l config.Listener, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another program listens there: stop it, or choose another address with --listen"
	case errors.Is(err, syscall.EACCES):
		hint = "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)"
	}
	return &bindFailure{fmt.Errorf("listener %s: %w", l.Name, err), hint}
}

var _ net.Listener = (*tap)(nil)
