package idle

import (
	"net"
	"os"
	"time"
)

// nowhere is a socket that is none. Nothing reads or writes.
type nowhere struct{}

func (nowhere) Read([]byte) (int, error)         { return 0, os.ErrDeadlineExceeded }
func (nowhere) Write([]byte) (int, error)        { return 0, os.ErrDeadlineExceeded }
func (nowhere) Close() error                     { return nil }
func (nowhere) LocalAddr() net.Addr              { return nil }
func (nowhere) RemoteAddr() net.Addr             { return nil }
func (nowhere) SetDeadline(time.Time) error      { return nil }
func (nowhere) SetReadDeadline(time.Time) error  { return nil }
func (nowhere) SetWriteDeadline(time.Time) error { return nil }

// socketless is the nowhere of one connection of a Virtual, which learns by
// it that a Read, were there one, is interrupted for good.
type socketless struct {
	nowhere
	world *Virtual
	conn  *Conn
}

func (s *socketless) SetReadDeadline(t time.Time) error {
	if t.Equal(longAgo) {
		s.world.ended = append(s.world.ended, s.conn)
	}
	return nil
}
