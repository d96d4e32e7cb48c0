package upstream

import (
	"net"
	"sync/atomic"
	"time"

	"idlehost/host/internal/idle"
)

// wire is a dialled connection between the transport (and its TLS) and the
// idle layer. It notes what a repetition of a request depends on: whether any
// byte of it has left.
type wire struct {
	conn *idle.Conn
	h2   bool // set before the transport sees it

	wrote  atomic.Bool // since the request began; HTTP/1 only
	waited atomic.Bool // a request was sent and nothing has come back; HTTP/1 only
}

// wireOf returns the wire below nc, nil if there is none.
func wireOf(nc net.Conn) *wire {
	for nc != nil {
		if w, ok := nc.(*wire); ok {
			return w
		}
		u, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = u.NetConn()
	}
	return nil
}

func (w *wire) Read(p []byte) (int, error) { return w.conn.Read(p) }

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.conn.Write(p)
	if n > 0 {
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
