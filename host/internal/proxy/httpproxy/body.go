package httpproxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"idlehost/host/internal/idle"
)

// body is the content of a request. It says when that has been read, and
// survives Close, so that a request of which nothing was read can be sent
// again.
type body struct {
	from   io.ReadCloser
	x      *exchange
	stream *idle.Stream // HTTP/2 only

	closed  atomic.Bool
	arrived atomic.Bool // a read has returned: it waits for no answer 100
	read    atomic.Bool // to its end

	mu  sync.Mutex // guards the following
	err error      // what cut the content short
}

var (
	errBodyClosed  = errors.New("request content read after the request has ended")
	errBodyTouched = errors.New("request content was read already")
)

func (b *body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, errBodyClosed
	}
	b.x.Touched.Store(true)
	n, err := b.from.Read(p)
	b.arrived.Store(true)
	if b.stream != nil {
		b.stream.Progress(n)
	}
	if err == io.EOF {
		b.read.Store(true)
		b.finish()
		b.x.bodyRead()
	} else if err != nil {
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	return n, err
}

// Close does nothing: the server closes the content when the handler is done.
func (b *body) Close() error { return nil }

// again is http.Request.GetBody.
func (b *body) again() (io.ReadCloser, error) {
	if b.x.Touched.Load() {
		return nil, errBodyTouched
	}
	return b, nil
}

// shut ends the content for a transport that is still reading.
func (b *body) shut() {
	b.closed.Store(true)
	b.finish()
}

func (b *body) finish() {
	if b.stream != nil {
		b.stream.Done()
	}
}

// complete reports whether all of the content has been read.
func (b *body) complete() bool { return b.read.Load() }

// failure is the error on the client's side that cut the content short.
func (b *body) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

var _ io.ReadCloser = (*body)(nil)
