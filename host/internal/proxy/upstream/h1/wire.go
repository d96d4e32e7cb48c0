package h1

import (
	"net"
	"sync/atomic"
	"time"

	"idlehost/host/internal/idle"
)

// wire is a governed connection as HTTP, or TLS below it, uses it.
type wire struct {
	conn  *idle.Conn
	wrote atomic.Bool // a byte has left since the request began
	peek  bool        // Read must not read the connection
}

// errPeek is the error of Read while peek is set. crypto/tls does not make it
// permanent, since it is a net.Error that is temporary.
var errPeek error = peekError{}

type peekError struct{}

func (peekError) Error() string   { return "nothing has been read ahead" }
func (peekError) Timeout() bool   { return true }
func (peekError) Temporary() bool { return true }

func (w *wire) Read(p []byte) (int, error) {
	if w.peek {
		return 0, errPeek
	}
	return w.conn.Read(p)
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.conn.Write(p)
	if n > 0 && !w.wrote.Load() {
		w.wrote.Store(true)
	}
	return n, err
}

func (w *wire) Close() error                       { return w.conn.Close() }
func (w *wire) CloseWrite() error                  { return w.conn.CloseWrite() }
func (w *wire) LocalAddr() net.Addr                { return w.conn.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr               { return w.conn.RemoteAddr() }
func (w *wire) SetDeadline(t time.Time) error      { return w.conn.SetDeadline(t) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.conn.SetReadDeadline(t) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

// NetConn returns the governed connection, so that idle.From finds it.
func (w *wire) NetConn() net.Conn { return w.conn }

var _ net.Conn = (*wire)(nil)
