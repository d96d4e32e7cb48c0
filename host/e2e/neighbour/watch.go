// Package neighbour measures what one tenant of a running host does to another.
// Traffic is the connections of the tenant that does it; a Watch is the clients
// of the other one, the neighbour, and tells what they see.
package neighbour

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// Watch is the clients of a tenant whose policy closes connections that have
// been idle for Idle. Some make requests at a steady pace, others make one and
// wait to be closed.
type Watch struct {
	Addr string // of the host
	Host string // of the tenant
	Idle time.Duration

	Conns int           // that make requests
	Every time.Duration // between two requests of a connection

	// Rare is how many more make a request only every RareEvery: so seldom that
	// the host parks them in between, and has to wake them.
	Rare      int
	RareEvery time.Duration

	Waiters int // connections that wait to be closed
}

// Seen is what the clients of a Watch have seen. A request that was due, and
// had no answer when the time was over, counts with the time that it had waited
// until then; so does a close that was overdue.
type Seen struct {
	Took []time.Duration // of each request; sorted
	Late []time.Duration // of each close, after the moment it was due; sorted

	Answered int // requests
	Closed   int // connections, because they were idle
	Failed   int // requests that got another answer than 200, or none at all
	Err      error
}

// For watches for d.
func (w Watch) For(ctx context.Context, d time.Duration) Seen {
	begun := time.Now()
	on := w.Start()
	defer on.Stop()
	pause(ctx, begun.Add(d))
	return on.seen(begun, begun.Add(d))
}

// Start has the clients begin. Stop ends them.
func (w Watch) Start() *Watching {
	ctx, stop := context.WithCancel(context.Background())
	on := &Watching{watch: w, stop: stop}
	begun := time.Now()
	start := func(n int, every time.Duration, f func(ctx context.Context, first time.Time, c *client)) {
		for i := range n {
			c := &client{}
			on.clients = append(on.clients, c)
			first := begun.Add(every * time.Duration(i) / time.Duration(n))
			on.running.Go(func() { f(ctx, first, c) })
		}
	}
	start(w.Conns, w.Every, func(ctx context.Context, first time.Time, c *client) { w.request(ctx, first, w.Every, c) })
	start(w.Rare, w.RareEvery, func(ctx context.Context, first time.Time, c *client) { w.request(ctx, first, w.RareEvery, c) })
	start(w.Waiters, w.Idle, w.wait)
	return on
}

// request makes requests on one connection, the first when first has come. One
// that is late because the one before it has waited, has waited too.
func (w Watch) request(ctx context.Context, first time.Time, every time.Duration, own *client) {
	var c *conn
	defer func() { c.close() }()
	for due := first; ; due = due.Add(every) {
		begun := due
		if pause(ctx, due) {
			begun = time.Now() // a late timer is the client's own delay
		}
		if ctx.Err() != nil {
			return
		}
		own.begin(begun, false)
		var err error
		quiet := c != nil && time.Since(c.used) >= w.Idle/2
		if c, err = w.ask(ctx, c); err != nil && quiet {
			// The one before it, or this client, was held up for so long that
			// the policy has closed the connection.
			c.close()
			c, err = w.ask(ctx, nil)
		}
		own.end(ctx, err)
		if err != nil {
			c.close()
			c = nil
		}
	}
}

// wait makes a request, and waits to be closed, again and again.
func (w Watch) wait(ctx context.Context, first time.Time, own *client) {
	for pause(ctx, first); ctx.Err() == nil; {
		asked := time.Now()
		c, err := w.ask(ctx, nil)
		if err != nil {
			own.begin(asked, false)
			own.end(ctx, err)
			c.close()
			pause(ctx, time.Now().Add(10*time.Millisecond))
			continue
		}
		own.begin(time.Now().Add(w.Idle), true)
		c.nc.SetReadDeadline(time.Now().Add(w.Idle + patience))
		if _, err = c.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil // it is closed
		}
		own.end(ctx, err)
		c.close()
	}
}

// patience bounds the wait for an answer, and for a close that is overdue.
const patience = 10 * time.Second

// ask makes a request, on a new connection where c is nil.
func (w Watch) ask(ctx context.Context, c *conn) (*conn, error) {
	if c == nil {
		nc, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", w.Addr)
		if err != nil {
			return nil, err
		}
		c = &conn{nc: nc, r: bufio.NewReader(nc)}
		c.forget = context.AfterFunc(ctx, func() { nc.Close() })
	}
	if err := c.nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return c, err
	}
	return c, c.get(w.Host)
}

// conn is a client's connection. A nil one can be closed.
type conn struct {
	nc   net.Conn
	r    *bufio.Reader
	used time.Time // when the last answer had come

	forget func() bool // takes back that the end of the watch closes it
}

func (c *conn) close() {
	if c != nil {
		c.forget()
		c.nc.Close()
	}
}

func (c *conn) get(host string) error {
	if _, err := io.WriteString(c.nc, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", host, res.Status)
	}
	c.used = time.Now()
	return nil
}

// pause waits until a moment has come, or ctx has ended, and reports whether
// there was a moment to wait.
func pause(ctx context.Context, until time.Time) bool {
	d := time.Until(until)
	if d <= 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return true
}

// Quantile returns that of a sorted list: 0.99 is the p99. It is 0 of nothing.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
