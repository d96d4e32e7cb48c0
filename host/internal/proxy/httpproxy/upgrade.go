package httpproxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"

	"idlehost/host/internal/idle"
	"idlehost/sdk/abi"
)

// upgrader is the ResponseWriter of a request that asks for an upgrade, to
// WebSocket or anything else.
type upgrader struct {
	http.ResponseWriter
	x *exchange
}

// tube is an upgraded connection: the client's and the upstream's half.
type tube struct{ down, up *idle.Conn }

// open says that from now on bytes pass, in either direction.
func (t tube) open() {
	t.each(func(c *idle.Conn) {
		c.SetProtocol(abi.ProtocolWebSocket)
		c.SetPhase(abi.PhaseTunnel)
	})
}

// half says that one direction has ended.
func (t tube) half() {
	t.each(func(c *idle.Conn) { c.SetPhase(abi.PhaseHalfClosed) })
}

func (t tube) each(f func(*idle.Conn)) {
	f(t.down)
	if t.up != nil {
		f(t.up)
	}
}

// Hijack takes the client's connection out of HTTP.
func (u *upgrader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, brw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c := &client{Conn: nc, tube: u.x.tube()}
	if brw.Reader.Buffered() > 0 { // sent without waiting for the answer
		c.early = brw.Reader
	}
	c.tube.open()
	return c, brw, nil
}

// Unwrap is for http.ResponseController.
func (u *upgrader) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func (x *exchange) tube() tube { return tube{down: x.session.conn, up: x.Conn()} }

// upgraded prepares the upstream's half; ReverseProxy copies.
func (x *exchange) upgraded(res *http.Response) error {
	rwc, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		return errors.New("the upstream's connection cannot be written to")
	}
	// Nothing said of the connection as one of HTTP holds any more.
	x.w.Header().Del("Connection")
	res.Body = &server{ReadWriteCloser: rwc, tube: x.tube()}
	return nil
}

// client is the client's half.
type client struct {
	net.Conn
	tube  tube
	early *bufio.Reader // nil once drained
}

func (c *client) Read(p []byte) (int, error) {
	if c.early != nil {
		n, err := c.early.Read(p[:min(len(p), c.early.Buffered())])
		if c.early.Buffered() == 0 {
			c.early = nil
		}
		return n, err
	}
	return c.Conn.Read(p)
}

// CloseWrite is called when the upstream will send no more.
func (c *client) CloseWrite() error { return closeWrite(c.Conn, c.tube) }

// server is the upstream's half.
type server struct {
	io.ReadWriteCloser
	tube tube
}

// CloseWrite is called when the client will send no more.
func (s *server) CloseWrite() error { return closeWrite(s.ReadWriteCloser, s.tube) }

func closeWrite(w any, t tube) error {
	h, ok := w.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	t.half()
	return h.CloseWrite()
}
