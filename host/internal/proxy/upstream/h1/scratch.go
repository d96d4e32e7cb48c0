package h1

import (
	"bufio"
	"fmt"
	"math"
)

// scratch is what an exchange needs beside its connection, for as long as it
// lasts.
type scratch struct {
	source source
	reader *bufio.Reader // over source
	head   []byte        // of the request
	keys   []string      // of its header
	probe  *probe
}

// largeHead is the size from which on a head is not kept for the next request.
const largeHead = 16 << 10

func newScratch() *scratch {
	s := &scratch{probe: newProbe()}
	s.reader = bufio.NewReader(&s.source)
	return s
}

// release gives s back. Nobody may read from its reader any more.
func (c *Client) release(s *scratch) {
	s.source = source{}
	s.reader.Reset(&s.source)
	if cap(s.head) > largeHead {
		s.head = nil
	}
	clear(s.keys[:cap(s.keys)])
	c.scratch.Put(s)
}

// source is a connection as an answer is read from it: its head must not
// exceed a limit.
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
