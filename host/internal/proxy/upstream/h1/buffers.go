package h1

import (
	"bufio"
	"fmt"
	"math"
)

// buffers is what an exchange needs beside its connection while it runs.
type buffers struct {
	source source
	reader *bufio.Reader // over source
	head   []byte        // of the request
	keys   []string      // of its header
	probe  *probe
}

// largeHead is the size from which on a head is not kept for the next request.
const largeHead = 16 << 10

func newBuffers() *buffers {
	s := &buffers{probe: newProbe()}
	s.reader = bufio.NewReader(&s.source)
	return s
}

// release gives s back. Nobody may read from its reader any more.
func (c *Client) release(s *buffers) {
	s.source = source{}
	s.reader.Reset(&s.source)
	if cap(s.head) > largeHead {
		s.head = nil
	}
	clear(s.keys[:cap(s.keys)])
	c.buffers.Put(s)
}

// source reads an answer from a connection and bounds its head.
type source struct {
	conn        *Conn
	left, limit int64
}

func (s *source) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, s.exceeded()
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.conn.nc.Read(p)
	s.left -= int64(n)
	return n, err
}

func (s *source) exceeded() error {
	return fmt.Errorf("header section of the answer exceeds %d bytes", s.limit)
}

// head limits what is read from now on.
func (s *source) head(limit int64) { s.left, s.limit = limit, limit }

// content lifts the limit.
func (s *source) content() { s.left = math.MaxInt64 }
