package upstream

import (
	"crypto/tls"
	"sync"

	"idlehost/host/internal/idle"
)

// handover holds a connection that an HTTP/1 client dialled, and that negotiated
// HTTP/2, until the transport of HTTP/2 takes it. It holds one: when several
// requests dial at once, the transport needs no more.
type handover struct {
	mu     sync.Mutex // guards the following
	conn   *tls.Conn
	closed bool
}

func (h *handover) put(c *tls.Conn) {
	h.mu.Lock()
	old := h.conn
	if h.closed {
		old = c
	} else {
		h.conn = c
	}
	h.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// take returns the connection, if the host has not ended it meanwhile.
func (h *handover) take() *tls.Conn {
	h.mu.Lock()
	c := h.conn
	h.conn = nil
	h.mu.Unlock()
	if c == nil {
		return nil
	}
	if _, ending := idle.From(c).Ending(); ending {
		c.Close()
		return nil
	}
	return c
}

func (h *handover) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	if c := h.take(); c != nil {
		c.Close()
	}
}
