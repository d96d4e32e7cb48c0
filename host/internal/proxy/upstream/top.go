package upstream

import (
	"errors"
	"net"
	"os"
)

// top is an HTTP/1 connection as the transport reads it, above TLS if there
// is any.
//
// When the host ends a connection because its upstream does not answer, the
// transport would take that for a broken connection and repeat the request,
// on an upstream that is too slow for it already. It never repeats once an
// answer has begun: so it reads the beginning of one, and then the error.
type top struct {
	net.Conn // TLS or the wire
	wire     *wire
	failed   error // owned by the reader, as is the following
	dry      bool  // Detach has been called
}

// begun is a status line, after which a header section would follow.
const begun = "HTTP/1.1 504 Gateway Timeout\r\n"

func (t *top) Read(p []byte) (int, error) {
	if t.dry {
		return 0, errDry
	}
	if t.failed != nil {
		return 0, t.failed
	}
	n, err := t.Conn.Read(p)
	if n > 0 {
		if t.wire.waited.Load() {
			t.wire.waited.Store(false)
		}
		return n, err
	}
	if err != nil && len(p) >= len(begun) && errors.Is(err, os.ErrDeadlineExceeded) && t.wire.waited.Load() {
		t.failed = err
		return copy(p, begun), nil
	}
	return n, err
}

// NetConn returns the connection below, so that idle.From finds its way.
func (t *top) NetConn() net.Conn { return t.Conn }
