package idle

import (
	"net"
	"syscall"

	"idlehost/host/internal/policy"
)

// kernelInfo is what the kernel knows of a TCP connection.
type kernelInfo struct {
	rttUs, rttVarUs  uint32
	recvMs           uint32 // since data was last received
	unacked, notSent uint32
	acked, received  uint64 // bytes over the life of the connection
}

func (i *kernelInfo) fill(e *policy.Event) {
	e.RttUs, e.RttVarUs, e.RecvMs = i.rttUs, i.rttVarUs, i.recvMs
	e.Unacked, e.NotSent = i.unacked, i.notSent
	e.BytesIn, e.BytesOut = max(e.BytesIn, i.received), max(e.BytesOut, i.acked)
}

// fillKernelLocked asks the kernel, or repeats what it said when nothing can
// have changed: an idle connection that was asked about since its last byte.
func (c *Conn) fillKernelLocked(q *question, e *policy.Event, now int64) {
	quiet := max(c.lastRead.Load(), c.lastWrite.Load(), c.phaseStart)
	if !restful(c.Phase()) || c.infoAt <= quiet {
		info, ok := q.probe.tcp(c.rawLocked())
		if !ok {
			return
		}
		info.fill(e)
		c.infoAt, c.recvAt = now, now-int64(info.recvMs)*1e6
		c.rttUs, c.rttVarUs = info.rttUs, info.rttVarUs
		return
	}
	e.RttUs, e.RttVarUs, e.RecvMs = c.rttUs, c.rttVarUs, millis(now-c.recvAt)
}

// rawConn returns the descriptor's handle; nil when there is none, as for a
// test's connection.
func rawConn(nc net.Conn) syscall.RawConn {
	s, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	rc, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return rc
}

// rawLocked is rawConn of the connection, kept: it allocates.
func (c *Conn) rawLocked() syscall.RawConn {
	if c.raw == nil {
		c.raw = rawConn(c.inner)
	}
	return c.raw
}
