package h1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"
)

// sendGrace is how long the end of an answer waits for the end of its request.
// Usually the server has read all of the request already. A sender that still
// sends after the grace is ended with its connection.
const sendGrace = 50 * time.Millisecond

var errUnwanted = errors.New("content is not wanted")

// sender is the goroutine that sends a request's content. It ends with the
// content, with the connection, or, where it waits for more content, with the
// reader of that.
type sender struct {
	client  *Client
	conn    *Conn
	body    io.ReadCloser
	trailer http.Header
	length  int64         // -1: in chunks
	wait    time.Duration // for the answer 100
	go100   chan bool     // whether to send; nil: at once
	done    chan struct{} // closed when it has ended

	// Owned by the goroutine; read when done is closed.
	err  error
	fail error // of reading the content
}

func newSender(c *Client, k *Conn, r *http.Request, length int64) *sender {
	s := &sender{client: c, conn: k, body: r.Body, trailer: r.Trailer, length: length, done: make(chan struct{})}
	if httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue") {
		s.wait, s.go100 = c.cfg.ContinueTimeout, make(chan bool, 1)
	}
	return s
}

// permit says whether content that waits for the answer 100 is to be sent. The
// first call decides.
func (s *sender) permit(ok bool) {
	if s.go100 == nil {
		return
	}
	select {
	case s.go100 <- ok:
	default:
	}
}

// finished reports whether everything was sent, waiting a little for it.
func (s *sender) finished() bool {
	select {
	case <-s.done:
		return s.err == nil
	default:
	}
	t := time.NewTimer(sendGrace)
	defer t.Stop()
	select {
	case <-s.done:
		return s.err == nil
	case <-t.C:
		return false
	}
}

// abandon stops sending on a closed connection. It returns the error of the
// content, if that ended the exchange.
func (s *sender) abandon() error {
	s.permit(false)
	select {
	case <-s.done:
		return s.fail
	default:
		return nil
	}
}

func (s *sender) run() {
	s.err = s.send()
	s.body.Close()
	close(s.done)
	if s.fail != nil {
		s.conn.sever() // the server must not take the content for whole
	}
}

func (s *sender) send() error {
	if !s.allowed() {
		return errUnwanted
	}
	b := s.client.blocks.Get().(*block)
	defer s.client.blocks.Put(b)
	if s.length < 0 {
		return s.sendChunks(b)
	}
	return s.sendLength(b)
}

// allowed waits for the answer 100, for a bounded time: a server need not send it
// (RFC 9110 section 10.1.1).
func (s *sender) allowed() bool {
	if s.go100 == nil {
		return true
	}
	t := time.NewTimer(s.wait)
	defer t.Stop()
	select {
	case ok := <-s.go100:
		return ok
	case <-t.C:
		return true
	}
}

// sendLength sends content of known length.
func (s *sender) sendLength(b *block) error {
	for left := s.length; ; {
		n, err := s.body.Read(b.data())
		if int64(n) > left {
			return s.broken(fmt.Errorf("request content is longer than the %d bytes announced", s.length))
		}
		left -= int64(n)
		if n > 0 {
			if _, err := s.conn.nc.Write(b.data()[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && left > 0:
			return s.broken(fmt.Errorf("request content lacks %d of the %d bytes announced: %w", left, s.length, io.ErrUnexpectedEOF))
		case err == io.EOF:
			return nil
		case err != nil:
			return s.broken(err)
		}
	}
}

// sendChunks sends content of unknown length (RFC 9112 section 7.1).
func (s *sender) sendChunks(b *block) error {
	for {
		n, err := s.body.Read(b.data())
		if n > 0 {
			if _, err := s.conn.nc.Write(b.chunk(n)); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return s.sendTrailer()
		}
		if err != nil {
			return s.broken(err)
		}
	}
}

func (s *sender) sendTrailer() error {
	text := []byte("0\r\n")
	names := make([]string, 0, len(s.trailer))
	for k := range s.trailer {
		if !ours(k) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	var err error
	for _, k := range names {
		if text, err = field(text, k, s.trailer[k]); err != nil {
			return s.broken(err)
		}
	}
	_, err = s.conn.nc.Write(append(text, "\r\n"...))
	return err
}

// broken notes that it is the content which is wrong.
func (s *sender) broken(err error) error {
	s.fail = err
	return err
}
