package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/proxy/upstream/h1"
	"idlehost/sdk/abi"
)

// Exchange is one request on its way to an upstream and back: the side of it
// that the connection pool and the idle layer need to know. It is a context,
// that of the request, so that it costs no context value of its own.
//
// Set the exported fields, then call Attach.
type Exchange struct {
	context.Context

	// Route is the class of the request's route.
	Route uint16
	// HasBody tells that content follows the request's header section.
	HasBody bool

	// Touched is set by whoever reads the content for the transport: from
	// then on the request cannot be repeated.
	Touched atomic.Bool

	inform func(int, textproto.MIMEHeader) error // answers of status 1xx; nil: they are dropped
	call   h1.Call

	mu      sync.Mutex // guards the following
	target  *target    // of the last attempt
	conn    *idle.Conn // of the last attempt; nil: no connection yet
	h2      bool       // it is an HTTP/2 one
	refused bool       // the connection was ended by the host as it was chosen
	reused  bool       // it had served another request before
	begun   bool       // the request counts on conn; ended by end

	body answer
}

type exchangeKey struct{}

// Attach makes x the context of a request that ctx governs.
func (x *Exchange) Attach(ctx context.Context) { x.Context = ctx }

// Value returns x for the package's own key.
func (x *Exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

func exchangeOf(ctx context.Context) *Exchange {
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	return x
}

// Conn returns the connection of the last attempt; nil without one.
func (x *Exchange) Conn() *idle.Conn {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.conn
}

// Target names the target last tried; empty without one.
func (x *Exchange) Target() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.target == nil {
		return ""
	}
	return x.target.String()
}

// BodyRead says that the request's content has been read to its end. From now
// on the upstream is waited for.
func (x *Exchange) BodyRead() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.conn != nil && x.begun && !x.h2 && x.conn.Phase() == abi.PhaseBody {
		x.conn.SetPhase(abi.PhaseUpstream)
	}
}

// Broken returns the error that cut the answer's content short, nil for none.
func (x *Exchange) Broken() error { return x.body.broken() }

// trace hooks the exchange into HTTP/2's transport. ReverseProxy makes a trace
// of its own for every request, which is taken over: composing another with it
// would cost more than the rest of the exchange.
func (x *Exchange) trace(req *http.Request) *http.Request {
	t := httptrace.ContextClientTrace(req.Context())
	if t == nil {
		t = new(httptrace.ClientTrace)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), t))
		t = httptrace.ContextClientTrace(req.Context())
	}
	if pass := t.Got1xxResponse; pass != nil && x.HasBody && req.Header["Expect"] != nil {
		t.Got1xxResponse = func(code int, h textproto.MIMEHeader) error {
			if code == http.StatusContinue {
				return nil // the client's server says so when the content is read
			}
			return pass(code, h)
		}
	}
	t.GotConn, x.inform = x.gotConn, t.Got1xxResponse
	return req
}

// gotConn is called by HTTP/2's transport before a byte of the request is
// written. A connection that the host has just decided to end is closed here:
// the transport then finds that nothing was written, and chooses another.
func (x *Exchange) gotConn(info httptrace.GotConnInfo) {
	c := idle.From(info.Conn)
	if c == nil {
		return
	}
	x.endStream() // of an attempt that the transport gave up
	if !x.start(c, info.Reused, true) {
		c.Close()
	}
}

func (x *Exchange) start(c *idle.Conn, reused, h2 bool) bool {
	ok := c.Begin(x.Route, x.HasBody)
	x.mu.Lock()
	x.conn, x.h2, x.refused, x.reused, x.begun = c, h2, !ok, reused, ok
	x.mu.Unlock()
	return ok
}

// end says that the request no longer uses the connection.
func (x *Exchange) end() {
	x.mu.Lock()
	c, begun := x.conn, x.begun
	x.begun = false
	x.mu.Unlock()
	if begun {
		c.End()
	}
}

// endStream is end for HTTP/2, whose pool does not report the end.
func (x *Exchange) endStream() {
	x.mu.Lock()
	h2 := x.conn != nil && x.h2
	x.mu.Unlock()
	if h2 {
		x.end()
	}
}

// unsent reports whether a failed attempt has certainly done nothing at the
// upstream, or nothing that harms when it is done twice.
func (x *Exchange) unsent(req *http.Request, err error) (again, elsewhere bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.refused, errors.Is(err, idle.ErrEnded), errors.Is(err, errOtherProtocol):
		return true, false
	case x.conn == nil:
		return false, NotConnected(err)
	}
	var u *h1.MissingAnswerError
	return x.reused && errors.As(err, &u) && u.Repeatable(req), false
}

// phase is the phase of the connection, for logs.
func (x *Exchange) phase() policy.Phase {
	if c := x.Conn(); c != nil {
		return c.Phase()
	}
	return abi.PhaseHandshake
}

// owner is an Exchange as its HTTP/1 connection sees it.
type owner Exchange

func (o *owner) Start(c *idle.Conn, reused bool) bool {
	return (*Exchange)(o).start(c, reused, false)
}

func (o *owner) Inform(code int, h textproto.MIMEHeader) error {
	if o.inform == nil {
		return nil
	}
	return o.inform(code, h)
}

func (o *owner) Answer(res *http.Response) { (*Exchange)(o).head(res) }

func (o *owner) Free() { (*Exchange)(o).end() }

// answer is the content of a response; it knows when that has ended.
type answer struct {
	io.ReadCloser
	x *Exchange

	mu  sync.Mutex // guards the following: Close may come from another goroutine
	err error
}

func (b *answer) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		if err != io.EOF {
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
		}
		b.x.endStream()
	}
	return n, err
}

func (b *answer) Close() error {
	err := b.ReadCloser.Close()
	b.x.endStream()
	return err
}

func (b *answer) broken() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
