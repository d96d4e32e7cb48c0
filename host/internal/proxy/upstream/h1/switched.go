package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
)

// Switched is the body of an answer of status 101: the connection, and what
// has been read ahead of it. One goroutine may read it, beside one that writes.
type Switched struct {
	nc    net.Conn // the governed connection, or TLS above it
	early []byte
}

// switched hands the connection over to whoever reads the answer (RFC 9110
// section 15.2.2). The exchange is over, and the context has no say any more.
func (k *Call) switched(res *http.Response) (*http.Response, error) {
	if !k.sent() {
		return nil, errors.New("server switched protocols before the request's content was sent")
	}
	if k.stop != nil && !k.stop() {
		return nil, context.Cause(k.req.Context())
	}
	early, _ := k.buf.reader.Peek(k.buf.reader.Buffered())
	early = slices.Clone(early)
	k.client.release(k.buf)
	k.buf = nil
	k.conn.wire.conn.SetEnder(nil)
	s := &Switched{nc: k.conn.wire.conn, early: early}
	if k.conn.tls != nil {
		s.nc = k.conn.tls
	}
	res.Body = s
	k.owner.Answer(res)
	return res, nil
}

// Detach returns the connection and the bytes that come before what it has to
// read. The Switched is of no use any more.
func (s *Switched) Detach() (nc net.Conn, early []byte) {
	early, s.early = s.early, nil
	return s.nc, early
}

func (s *Switched) Read(p []byte) (int, error) {
	if len(s.early) == 0 {
		return s.nc.Read(p)
	}
	n := copy(p, s.early)
	s.early = s.early[n:]
	return n, nil
}

func (s *Switched) Write(p []byte) (int, error) { return s.nc.Write(p) }
func (s *Switched) Close() error                { return s.nc.Close() }

// CloseWrite half closes.
func (s *Switched) CloseWrite() error {
	if h, ok := s.nc.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}

var _ io.ReadWriteCloser = (*Switched)(nil)
