package idle

import (
	"net"
	"os"
	"time"
)

// noSocket is a socket that is none. Nothing reads or writes.
type noSocket struct{}

func (noSocket) Read([]byte) (int, error)         { return 0, os.ErrDeadlineExceeded }
func (noSocket) Write([]byte) (int, error)        { return 0, os.ErrDeadlineExceeded }
func (noSocket) Close() error                     { return nil }
func (noSocket) LocalAddr() net.Addr              { return nil }
func (noSocket) RemoteAddr() net.Addr             { return nil }
func (noSocket) SetDeadline(time.Time) error      { return nil }
func (noSocket) SetReadDeadline(time.Time) error  { return nil }
func (noSocket) SetWriteDeadline(time.Time) error { return nil }

// socketless is the noSocket of one connection of a Virtual, which learns by
// it that a Read, were there one, is interrupted for good.
type socketless struct {
	noSocket
	world *Virtual
	conn  *Conn
}

func (s *socketless) SetReadDeadline(t time.Time) error {
	if t.Equal(longAgo) {
		s.world.ended = append(s.world.ended, s.conn)
	}
	return nil
}
