// Package h1 is an HTTP/1.1 client for governed connections to one server. An
// exchange runs on its caller's goroutine; only content that is to be sent has
// one of its own. A connection between two requests holds no goroutine and no
// buffer, and is soon parked in the Governor's poller.
package h1

import (
	"context"
	"net/http"
	"net/textproto"
	"sync"
	"time"

	"idlehost/host/internal/idle"
)

// Owner owns a request. Its methods are called on the goroutine that
// called RoundTrip or reads the answer's content.
type Owner interface {
	// Start is called before a byte of the request is written. False: the
	// host has decided to end the connection, it must not be used.
	Start(c *idle.Conn, reused bool) bool
	// Inform passes an answer of status 1xx on; an error ends the exchange.
	Inform(code int, h textproto.MIMEHeader) error
	// Answer looks at the head of the final answer, its content still unread.
	Answer(res *http.Response)
	// Free is called at the end of the exchange, when the connection is about
	// to be kept for another. It is not called for one that is closed.
	Free()
}

// Config configures a Client.
type Config struct {
	// Dial opens a connection, see NewConn. Its errors are RoundTrip's.
	Dial func(context.Context) (*Conn, error)
	// ContinueTimeout is how long content waits for the answer 100 where the
	// request expects one. 0: 1 s.
	ContinueTimeout time.Duration
	// MaxHeaderBytes bounds the head of an answer; those of status 1xx count
	// each for itself. 0: 1 MiB.
	MaxHeaderBytes int64
}

// Client holds the connections to one server that nobody uses.
type Client struct {
	cfg     Config
	buffers sync.Pool // of *buffers
	blocks  sync.Pool // of *block

	mu         sync.Mutex // guards the following, and the states of connections; an idle.Conn's may be taken
	newest     *Conn      // used next
	oldest     *Conn
	unswept    *Conn  // the oldest that the sweeper has not seen yet
	unparkable int    // how many cannot be parked
	round      uint32 // counts sweeps
	timer      *time.Timer
	armed      bool // the timer runs, or its function does
	closed     bool
}

// New returns a Client without connections.
func New(cfg Config) *Client {
	if cfg.ContinueTimeout <= 0 {
		cfg.ContinueTimeout = time.Second
	}
	if cfg.MaxHeaderBytes <= 0 {
		cfg.MaxHeaderBytes = 1 << 20
	}
	c := &Client{cfg: cfg}
	c.buffers.New = func() any { return newBuffers() }
	c.blocks.New = func() any { return new(block) }
	return c
}

// Close closes the connections that nobody uses. Requests under way go on;
// their connections are closed afterwards.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	var all []*Conn
	for k := c.newest; k != nil; k = c.newest {
		if c.popLocked() {
			all = append(all, k)
		}
	}
	c.mu.Unlock()
	for _, k := range all {
		k.Close()
	}
}

// get returns a connection that has received nothing since its last answer, or a
// new one; fresh asks for a new one.
func (c *Client) get(ctx context.Context, s *buffers, fresh bool) (k *Conn, reused bool, err error) {
	for !fresh {
		if k = c.take(); k == nil {
			break
		}
		if s.probe.quiet(k.raw) {
			return k, true, nil
		}
		k.sever()
	}
	if k, err = c.cfg.Dial(ctx); err != nil {
		return nil, false, err
	}
	c.adopt(k)
	return k, false, nil
}

// Keep adds a new connection to those that nobody uses.
func (c *Client) Keep(k *Conn) {
	c.adopt(k)
	c.put(k)
}
