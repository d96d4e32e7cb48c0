package idle

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bare is the net.Conn of a stripped connection: the Conn itself under another
// type. Its descriptor is fd's, and mu guards it. To say good-bye it will do.
type bare Conn

// errBare is what is left to say where a connection was woken and there was
// no descriptor to spare for dressing it.
var errBare = errors.New("no descriptor left to wake the connection with")

func (c *Conn) bareLocked() bool {
	_, ok := c.inner.(*bare)
	return ok
}

// stripLocked leaves a parked connection its descriptor only, and returns what
// is to be done without mu, if anything. The descriptor that is closed with the
// net.Conn leaves the epoll first: the socket lives on in its duplicate, and
// with it would what was registered.
func (c *Conn) stripLocked() (after func()) {
	c.parkAt = never
	tcp, ok := c.inner.(*net.TCPConn)
	if !ok || !c.polled {
		return nil
	}
	fd, err := unix.FcntlInt(uintptr(c.fd-1), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil // it goes on as it is
	}
	p := c.gov.poller.Load()
	p.leave(c)
	_ = tcp.Close() // the socket stays open, so there is nothing to fail
	c.inner, c.raw, c.fd = (*bare)(c), nil, int32(fd)+1
	c.gov.stripped.Add(1)
	if p.watch(c) {
		return nil
	}
	s := c.unparkLocked() // nobody would see its bytes
	c.dressLocked()
	return func() { s.Wake(c) }
}

// dressLocked gives a stripped connection a net.Conn again. Where there is no
// descriptor for it, bare answers with what waits in the kernel.
func (c *Conn) dressLocked() {
	if !c.bareLocked() {
		return
	}
	nc, err := clothe(int(c.fd - 1))
	if err != nil {
		return
	}
	c.gov.poller.Load().leave(c)
	_ = unix.Close(int(c.fd - 1))
	c.inner, c.raw, c.fd = nc, nil, 0
	if c.userRead != 0 {
		_ = nc.SetReadDeadline(c.gov.clock.time(c.userRead))
	}
	if c.userWrite != 0 {
		_ = nc.SetWriteDeadline(c.gov.clock.time(c.userWrite))
	}
}

// clothe returns a net.Conn for a duplicate of fd: package net takes one only
// from a file, which would close it. A blocking file is spared the way in and
// out of Go's poller; package net makes the socket, which blocking is a
// property of, what it was.
func clothe(fd int) (net.Conn, error) {
	d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate descriptor: %w", err)
	}
	_ = unix.SetNonblock(d, false)
	f := os.NewFile(uintptr(d), "parked")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		_ = unix.SetNonblock(fd, true)
		return nil, fmt.Errorf("connection of a descriptor: %w", err)
	}
	return nc, nil
}

// leave takes the connection out of the epoll. c.mu is held.
func (p *poller) leave(c *Conn) {
	if c.polled {
		_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(c.fd-1), nil)
	}
	p.forget(c)
}

// Read returns what waits, without waiting for more.
func (b *bare) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fd == 0 {
		return 0, net.ErrClosed
	}
	n, err := unix.Read(int(b.fd-1), p)
	switch {
	case err == unix.EAGAIN:
		return 0, errBare
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes what there is room for.
func (b *bare) Write(p []byte) (done int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fd == 0 {
		return 0, net.ErrClosed
	}
	for done < len(p) {
		n, err := unix.Write(int(b.fd-1), p[done:])
		if err == unix.EAGAIN {
			return done, errBare
		}
		if err != nil {
			return done, os.NewSyscallError("write", err)
		}
		done += n
	}
	return done, nil
}

// Close is called with mu held, like what follows but for RemoteAddr.
func (b *bare) Close() error {
	if b.fd == 0 {
		return net.ErrClosed
	}
	b.gov.poller.Load().forget((*Conn)(b))
	fd := int(b.fd - 1)
	b.fd = 0
	return os.NewSyscallError("close", unix.Close(fd))
}

func (b *bare) CloseRead() error  { return b.shutdown(unix.SHUT_RD) }
func (b *bare) CloseWrite() error { return b.shutdown(unix.SHUT_WR) }

func (b *bare) shutdown(how int) error {
	if b.fd == 0 {
		return net.ErrClosed
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(int(b.fd-1), how))
}

// LocalAddr asks the kernel: it is not worth keeping.
func (b *bare) LocalAddr() net.Addr {
	if b.fd == 0 {
		return (*net.TCPAddr)(nil)
	}
	sa, err := unix.Getsockname(int(b.fd - 1))
	if err != nil {
		return (*net.TCPAddr)(nil)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *unix.SockaddrInet6:
		a := &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
		if sa.ZoneId != 0 {
			a.Zone = strconv.FormatUint(uint64(sa.ZoneId), 10)
		}
		return a
	}
	return (*net.TCPAddr)(nil)
}

func (b *bare) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(b.peer, b.peerPort))
}

// The owner's deadlines are in the Conn, and nothing waits here.
func (b *bare) SetDeadline(time.Time) error      { return nil }
func (b *bare) SetReadDeadline(time.Time) error  { return nil }
func (b *bare) SetWriteDeadline(time.Time) error { return nil }

// SyscallConn returns a handle for whoever holds mu.
func (b *bare) SyscallConn() (syscall.RawConn, error) { return (*bareRaw)(b), nil }

// bareRaw is the descriptor's handle.
type bareRaw Conn

func (b *bareRaw) Control(f func(fd uintptr)) error {
	if b.fd == 0 {
		return net.ErrClosed
	}
	f(uintptr(b.fd - 1))
	return nil
}

func (*bareRaw) Read(func(fd uintptr) bool) error  { return errors.ErrUnsupported }
func (*bareRaw) Write(func(fd uintptr) bool) error { return errors.ErrUnsupported }

var (
	_ net.Conn        = (*bare)(nil)
	_ syscall.Conn    = (*bare)(nil)
	_ syscall.RawConn = (*bareRaw)(nil)
)
