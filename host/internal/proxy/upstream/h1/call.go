package h1

import (
	"context"
	"io"
	"net/http"
	"sync"

	"idlehost/host/internal/idle"
)

// Call is the state of one exchange, to be embedded in its owner. It may be used
// again when RoundTrip has failed.
type Call struct {
	client *Client
	owner  Owner
	req    *http.Request
	conn   *Conn
	buf    *buffers
	sender *sender     // nil: no content, or none yet
	stop   func() bool // ends the watch over the context; nil: there is none
	cut    bool        // the server took no more of the request
	keep   bool        // as far as the answer's head tells
	body   io.ReadCloser

	mu   sync.Mutex // guards the following
	over error      // why the content has no more to read; nil: it may have
}

// RoundTrip sends a request and returns the answer, whose body ends the
// exchange: by its end, by an error or by Close. An answer of status 101 has
// the connection for its body, which is an io.ReadWriteCloser with CloseWrite.
//
// The content is read by another goroutine, which may outlast the exchange
// where it waits for the content; it is closed then. An error before a byte of
// an answer came is a *MissingAnswerError. fresh asks for a new connection.
func (c *Client) RoundTrip(k *Call, req *http.Request, owner Owner, fresh bool) (*http.Response, error) {
	s := c.buffers.Get().(*buffers)
	if err := s.writeHead(req); err != nil {
		c.release(s)
		closeContent(req)
		return nil, err
	}
	ctx := req.Context()
	conn, reused, err := c.get(ctx, s, fresh)
	if err != nil {
		c.release(s)
		closeContent(req)
		return nil, err
	}
	k.client, k.owner, k.req, k.conn, k.buf = c, owner, req, conn, s
	k.sender, k.stop, k.cut, k.keep, k.body, k.over = nil, nil, false, false, nil, nil
	conn.wire.wrote.Store(false)
	if !owner.Start(conn.wire.conn, reused) {
		closeContent(req)
		return nil, k.fail(idle.ErrEnded)
	}
	if ctx.Done() != nil {
		k.stop = context.AfterFunc(ctx, conn.abort)
	}
	if err := k.send(); err != nil {
		return nil, k.fail(err)
	}
	res, err := k.receive()
	if err != nil {
		return nil, k.fail(err)
	}
	return res, nil
}

func closeContent(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

// send writes the head, and has the content follow.
func (k *Call) send() error {
	n := outgoing(k.req)
	if _, err := k.conn.nc.Write(k.buf.head); err != nil {
		if n != 0 || !k.conn.wire.wrote.Load() {
			closeContent(k.req)
			return &MissingAnswerError{Err: err, Sent: k.conn.wire.wrote.Load()}
		}
		k.cut = true // the server has gone, perhaps after an answer
		return nil
	}
	if n == 0 {
		closeContent(k.req)
		return nil
	}
	k.sender = newSender(k.client, k.conn, k.req, n)
	go k.sender.run()
	return nil
}

// finish is called at the end of the answer, by whoever has read it.
func (k *Call) finish() {
	keep := k.keep && k.buf.reader.Buffered() == 0 && k.sent()
	if k.stop != nil && !k.stop() {
		keep = false // the connection is being closed
	}
	k.client.release(k.buf)
	k.buf = nil
	if !keep || k.conn.overread() {
		k.conn.Close()
		return
	}
	k.owner.Free()
	k.client.put(k.conn)
}

// sent reports whether all of the request has been written.
func (k *Call) sent() bool { return k.sender == nil || k.sender.finished() }

// fail ends the exchange on the goroutine that reads the answer, and returns
// the error that tells why.
func (k *Call) fail(err error) error {
	if k.stop != nil {
		k.stop()
	}
	k.conn.sever()
	if k.buf != nil {
		k.client.release(k.buf)
		k.buf = nil
	}
	var content error
	if k.sender != nil {
		content = k.sender.abandon()
	}
	switch ctx := k.req.Context(); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case content != nil:
		return content
	}
	return err
}
