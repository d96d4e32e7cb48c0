package upstream

import (
	"errors"
	"io"
	"net"
)

// errDry is what a top returns that must not read any more.
var errDry = errors.New("connection was detached")

// Detach takes the connection of an answer of status 101, whose content is
// body, out of the transport's hands, and what the transport has read ahead of
// it. Over TLS nc is the *tls.Conn, else the governed connection itself. The
// error says that the answer is not of a connection which can be taken.
func (x *Exchange) Detach(body io.Reader) (nc net.Conn, early []byte, err error) {
	x.mu.Lock()
	t := x.top
	x.mu.Unlock()
	if t == nil {
		return nil, nil, errors.New("connection cannot be detached")
	}
	t.dry = true // what can be read of body from now on is what was read ahead
	var p [512]byte
	for err == nil {
		n := 0
		n, err = body.Read(p[:])
		early = append(early, p[:n]...)
	}
	if err != errDry {
		return nil, nil, err
	}
	if t.Conn == net.Conn(t.wire) {
		return t.wire.conn, early, nil
	}
	return t.Conn, early, nil
}
