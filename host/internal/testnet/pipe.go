// Package testnet is the environment of tests: network fakes for synctest bubbles,
// where sockets cannot wait and a sync.Cond does instead; waits for events outside
// the test; and disks that are small, or full. Imported by tests only.
package testnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Pipe returns the two ends of a connection with a buffer of that many bytes
// each way. Unlike net.Pipe's, they half close, and a write does not wait for
// its reader while there is room.
func Pipe(buffer int) (a, b *Conn) {
	ab, ba := newHalf(buffer), newHalf(buffer)
	a = &Conn{in: ba, out: ab, local: addr(1), remote: addr(2)}
	b = &Conn{in: ab, out: ba, local: addr(2), remote: addr(1)}
	return a, b
}

func addr(n byte) net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, n), Port: 1000 + int(n)} }

// Conn is one end.
type Conn struct {
	in, out       *half
	local, remote net.Addr
}

// SetAddrs replaces the addresses, before use.
func (c *Conn) SetAddrs(local, remote net.Addr) { c.local, c.remote = local, remote }

func (c *Conn) Read(p []byte) (int, error)         { return c.in.read(p) }
func (c *Conn) Write(p []byte) (int, error)        { return c.out.write(p) }
func (c *Conn) LocalAddr() net.Addr                { return c.local }
func (c *Conn) RemoteAddr() net.Addr               { return c.remote }
func (c *Conn) SetReadDeadline(t time.Time) error  { c.in.deadline(&c.in.readBy, t); return nil }
func (c *Conn) SetWriteDeadline(t time.Time) error { c.out.deadline(&c.out.writeBy, t); return nil }

// SetDeadline sets both.
func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// CloseWrite lets the peer read an end.
func (c *Conn) CloseWrite() error { c.out.end(); return nil }

// Close ends both directions; the peer's writes fail.
func (c *Conn) Close() error {
	c.out.end()
	c.in.shut()
	return nil
}

// half is one direction.
type half struct {
	mu      sync.Mutex
	cond    sync.Cond
	buf     []byte
	max     int
	ended   bool // no more will be written
	closed  bool // nobody reads
	readBy  limit
	writeBy limit
}

type limit struct {
	passed bool
	timer  *time.Timer
}

func newHalf(n int) *half {
	h := &half{max: n}
	h.cond.L = &h.mu
	return h
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.closed:
			return 0, net.ErrClosed
		case h.readBy.passed:
			return 0, os.ErrDeadlineExceeded
		case len(h.buf) > 0:
			n := copy(p, h.buf)
			h.buf = h.buf[n:]
			h.cond.Broadcast()
			return n, nil
		case h.ended:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

func (h *half) write(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.ended:
			return n, net.ErrClosed
		case h.closed:
			return n, syscall.EPIPE
		case h.writeBy.passed:
			return n, os.ErrDeadlineExceeded
		}
		m := min(len(p)-n, h.max-len(h.buf))
		h.buf = append(h.buf, p[n:n+m]...)
		if n += m; m > 0 {
			h.cond.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		h.cond.Wait()
	}
}

func (h *half) end()  { h.set(&h.ended) }
func (h *half) shut() { h.set(&h.closed) }

func (h *half) set(b *bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*b = true
	h.cond.Broadcast()
}

func (h *half) deadline(l *limit, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.passed = !t.IsZero() && !t.After(time.Now())
	if !t.IsZero() && !l.passed {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(t), func() { h.pass(l, &timer) })
		l.timer = timer
	}
	h.cond.Broadcast()
}

// pass lets a deadline pass unless it was replaced meanwhile.
func (h *half) pass(l *limit, timer **time.Timer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.timer == *timer {
		l.passed = true
		h.cond.Broadcast()
	}
}

var _ net.Conn = (*Conn)(nil)
