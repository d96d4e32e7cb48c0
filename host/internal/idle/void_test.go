package idle

import (
	"net"
	"time"
)

// void is a connection without a socket, and without anything to say.
type void struct{ net.Conn }

func (void) RemoteAddr() net.Addr             { return nil }
func (void) Close() error                     { return nil }
func (void) SetReadDeadline(time.Time) error  { return nil }
func (void) SetWriteDeadline(time.Time) error { return nil }
