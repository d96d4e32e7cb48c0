package upstream

import (
	"crypto/tls"
	"sync"

	"idlehost/host/internal/idle"
)

// spare holds a connection on its way from the client that dialled it to the
// transport which speaks the protocol that was negotiated. There is room for
// one: of several requests that find out at once, the transport needs no more.
type spare struct {
	mu     sync.Mutex // guards the following
	conn   *tls.Conn
	closed bool
}

func (s *spare) put(c *tls.Conn) {
	s.mu.Lock()
	old := s.conn
	if s.closed {
		old = c
	} else {
		s.conn = c
	}
	s.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// take returns the connection, if the host has not ended it meanwhile.
func (s *spare) take() *tls.Conn {
	s.mu.Lock()
	c := s.conn
	s.conn = nil
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	if _, ending := idle.From(c).Ending(); ending {
		c.Close()
		return nil
	}
	return c
}

func (s *spare) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if c := s.take(); c != nil {
		c.Close()
	}
}
