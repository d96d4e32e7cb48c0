package idle

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// probe asks the kernel about connections, one at a time, without allocating.
// It costs a system call: at asks only.
type probe struct {
	info unix.TCPInfo
	ok   bool
	ask  func(fd uintptr) // made once: a closure a call would escape
}

func newProbe() *probe {
	p := new(probe)
	p.ask = func(fd uintptr) {
		size := uint32(unsafe.Sizeof(p.info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO,
			uintptr(unsafe.Pointer(&p.info)), uintptr(unsafe.Pointer(&size)), 0)
		p.ok = errno == 0
	}
	return p
}

// tcp returns what the kernel knows; false when rc is nil or not TCP.
func (p *probe) tcp(rc syscall.RawConn) (kernelInfo, bool) {
	p.ok = false
	if rc == nil || rc.Control(p.ask) != nil || !p.ok {
		return kernelInfo{}, false
	}
	t := &p.info
	return kernelInfo{
		rttUs: t.Rtt, rttVarUs: t.Rttvar, recvMs: t.Last_data_recv,
		unacked: t.Unacked, notSent: t.Notsent_bytes,
		acked: t.Bytes_acked, received: t.Bytes_received,
	}, true
}

// readNow reads without waiting and whatever deadline is set; 0 when nothing
// is there.
func readNow(nc net.Conn, p []byte) int {
	rc := rawConn(nc)
	if rc == nil || len(p) == 0 {
		return 0
	}
	n := 0
	_ = rc.Control(func(fd uintptr) {
		n, _ = unix.Read(int(fd), p) // the descriptor is non-blocking
	})
	return max(n, 0)
}

// unread returns how many bytes wait in the receive buffer.
func unread(nc net.Conn) int {
	rc := rawConn(nc)
	if rc == nil {
		return 0
	}
	n := 0
	_ = rc.Control(func(fd uintptr) {
		n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	})
	return n
}

// unsent returns how many bytes written are not acknowledged yet.
func unsent(nc net.Conn) uint64 {
	rc := rawConn(nc)
	if rc == nil {
		return 0
	}
	n := 0
	_ = rc.Control(func(fd uintptr) {
		n, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
	})
	return uint64(max(n, 0))
}
