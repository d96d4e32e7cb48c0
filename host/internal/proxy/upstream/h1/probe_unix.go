//go:build unix

package h1

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// canProbe says that probe works here. Where it does not, connections are used
// once: one that its server has closed could not be told from a good one.
const canProbe = true

// probe asks the kernel whether anything has come, without reading it and
// without allocating.
type probe struct {
	fds  [1]unix.PollFd
	none bool
	ask  func(fd uintptr) // made once: a closure a call would escape
}

func newProbe() *probe {
	p := new(probe)
	p.ask = func(fd uintptr) {
		for {
			p.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
			n, err := unix.Poll(p.fds[:], 0)
			if err == unix.EINTR {
				continue
			}
			p.none = err == nil && n == 0
			return
		}
	}
	return p
}

// quiet reports whether a connection is open and has nothing to read.
func (p *probe) quiet(rc syscall.RawConn) bool {
	p.none = false
	return rc != nil && rc.Control(p.ask) == nil && p.none
}
