package channel

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketPair returns two ends that keep datagrams apart and tell when the other
// has gone.
func socketPair() (host, worker *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "channel host"), os.NewFile(uintptr(fds[1]), "channel worker"), nil
}

// socket is one end on Go's poller, for one goroutine. A wait on the poller is
// no system call in the eyes of Go's scheduler, nor are the two that this end
// makes itself, as they never block: so nothing wakes the scheduler's monitor
// thread, which would take more time than all the rest of a lone question.
type socket struct {
	file        *os.File
	conn        syscall.RawConn
	read, write func(fd uintptr) bool // made once, so that a batch allocates nothing

	// of the call under way
	buf []byte
	n   int
	err error
}

// newSocket takes an end over.
func newSocket(f *os.File) (*socket, error) {
	defer f.Close()
	// f need not be on the poller. What is made of a descriptor that does not
	// block, is.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	s := &socket{file: os.NewFile(uintptr(fd), f.Name())}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, err
	}
	s.read = func(fd uintptr) bool {
		s.call(unix.SYS_READ, "read", fd)
		return !errors.Is(s.err, unix.EAGAIN)
	}
	s.write = func(fd uintptr) bool {
		s.call(unix.SYS_WRITE, "write", fd)
		return true
	}
	return s, nil
}

func (s *socket) call(number uintptr, name string, fd uintptr) {
	n, _, errno := unix.RawSyscall(number, fd, uintptr(unsafe.Pointer(&s.buf[0])), uintptr(len(s.buf)))
	s.n, s.err = int(n), nil
	switch {
	case errno == unix.EAGAIN:
		s.err = unix.EAGAIN // without an allocation: every wait begins with it
	case errno != 0:
		s.n, s.err = 0, os.NewSyscallError(name, errno)
	}
}

// receive waits for a datagram, and returns io.EOF when the other end has gone.
func (s *socket) receive(buf []byte) (int, error) {
	s.buf = buf
	if err := s.conn.Read(s.read); err != nil {
		return 0, closedUnless(err)
	}
	if s.n == 0 && s.err == nil {
		return 0, io.EOF
	}
	return s.n, ended(s.err)
}

// send does not wait: there is room for the one datagram that is under way,
// unless the other end does not read, which is unix.EAGAIN.
func (s *socket) send(buf []byte) error {
	s.buf = buf
	if err := s.conn.Write(s.write); err != nil {
		return closedUnless(err)
	}
	return ended(s.err)
}

// closedUnless names the error of the poller that os keeps to itself.
func closedUnless(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return os.ErrClosed
}

// ended tells what the end of the other end causes from other errors.
func ended(err error) error {
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return io.EOF
	}
	return err
}

// deadline is that of receive; the zero time means none.
func (s *socket) deadline(t time.Time) error {
	if err := s.file.SetReadDeadline(t); err != nil {
		return closedUnless(err)
	}
	return nil
}

// close ends a receive that waits.
func (s *socket) close() error { return s.file.Close() }
