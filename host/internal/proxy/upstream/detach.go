package upstream

import (
	"errors"
	"io"
	"net"

	"idlehost/host/internal/proxy/upstream/h1"
)

// Detach takes the connection of an answer of status 101, whose content is
// body, out of its client's hands, and what has been read ahead of it. Over
// TLS nc is the *tls.Conn, else the governed connection itself. The error says
// that the answer is not of a connection which can be taken.
func (x *Exchange) Detach(body io.Reader) (nc net.Conn, early []byte, err error) {
	s, ok := body.(*h1.Switched)
	if !ok {
		return nil, nil, errors.New("connection cannot be detached")
	}
	nc, early = s.Detach()
	return nc, early, nil
}
