package idle

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// chunk bounds one inner write and one splice, so that progress is seen.
const (
	writeChunk  = 64 << 10
	spliceChunk = 1 << 20
)

// Read is on the hot path: no allocation, no lock, no system call beyond the
// read itself (TestHotPathAllocs), but for the first bytes after idling.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.inner.Read(p)
	if n > 0 {
		c.didRead(n)
	}
	if err != nil {
		return c.readFailed(p, n, err)
	}
	return n, nil
}

func (c *Conn) didRead(n int) {
	c.bytesIn.Add(uint64(n))
	before := c.lastRead.Load()
	stamp(&c.lastRead, c.gov.clock)
	switch policy.Phase(c.phase.Load()) {
	case abi.PhaseTunnel, abi.PhaseHalfClosed:
		c.passed(before, &c.lastRead, &c.lastWrite)
	case abi.PhaseIdle:
		c.stir()
	case abi.PhaseUpstream:
		if c.side == sideDialled {
			c.advance(abi.PhaseUpstream, abi.PhaseWrite)
		}
	}
}

// Write is on the hot path like Read.
func (c *Conn) Write(p []byte) (int, error) {
	if c.side == sideDialled && c.ending.Load() != 0 {
		return 0, c.endedError()
	}
	c.startWrite()
	defer c.endWrite()
	done := 0
	for {
		q := p[done:]
		if len(q) > writeChunk {
			q = q[:writeChunk]
		}
		n, err := c.inner.Write(q)
		done += n
		if n > 0 {
			c.didWrite(n)
		}
		if err != nil {
			return done, c.failure(err)
		}
		if done == len(p) {
			return done, nil
		}
	}
}

func (c *Conn) startWrite() {
	before := c.lastWrite.Load()
	stamp(&c.lastWrite, c.gov.clock)
	c.writeStart.Store(c.lastWrite.Load())
	c.writing.Add(1)
	switch policy.Phase(c.phase.Load()) {
	case abi.PhaseTunnel, abi.PhaseHalfClosed:
		c.passed(before, &c.lastWrite, &c.lastRead)
	}
}

// endWrite adds up how long the peer, by not reading, has kept writes waiting.
func (c *Conn) endWrite() {
	c.writing.Add(-1)
	if d := c.gov.clock.stamp() - c.writeStart.Load(); d > c.gov.clock.step {
		c.blocked.Add(d)
	}
}

func (c *Conn) didWrite(n int) {
	c.bytesOut.Add(uint64(n))
	stamp(&c.lastWrite, c.gov.clock)
	if policy.Phase(c.phase.Load()) == abi.PhaseUpstream && c.side == sideAccepted {
		c.advance(abi.PhaseUpstream, abi.PhaseWrite)
	}
}

// ReadFrom writes r to the connection; from another Conn by splice, from a
// file by sendfile.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	limit := int64(-1)
	src := r
	lr, limited := r.(*io.LimitedReader)
	if limited {
		src, limit = lr.R, lr.N
	}
	var from *Conn
	switch s := src.(type) {
	case *Conn:
		from, src = s, s.inner
	case *os.File, *net.TCPConn, *net.UnixConn:
	default:
		return io.Copy(writerOnly{c}, r)
	}
	dst, ok := c.inner.(io.ReaderFrom)
	if !ok || from != nil && !c.gov.takePipe() {
		return io.Copy(writerOnly{c}, r)
	}
	if from != nil {
		defer c.gov.givePipe()
	}
	n, err := c.splice(dst, from, src, limit)
	if limited {
		lr.N -= n
	}
	return n, err
}

// splice moves bytes without bringing them to user space, a chunk at a time.
// What passes within a chunk only the kernel sees: the shard asks it when a
// deadline is due.
func (c *Conn) splice(dst io.ReaderFrom, from *Conn, src io.Reader, limit int64) (total int64, err error) {
	c.spliced.Store(true)
	c.startWrite()
	defer c.endWrite()
	if from != nil {
		from.spliced.Store(true)
	}
	for limit != 0 {
		lr := &io.LimitedReader{R: src, N: spliceChunk}
		if limit > 0 {
			lr.N = min(lr.N, limit)
		}
		want := lr.N
		n, err := dst.ReadFrom(lr)
		total += n
		if limit > 0 {
			limit -= n
		}
		if n > 0 {
			c.didWrite(int(n))
			if from != nil {
				from.didRead(int(n))
			}
		}
		if err != nil {
			if from != nil && from.asksToPark(err) {
				return total, ErrPark
			}
			if from != nil {
				from.note(err)
			}
			return total, c.failure(err)
		}
		if n < want {
			if from != nil {
				from.note(io.EOF)
			}
			return total, nil
		}
	}
	return total, nil
}

// WriteTo reads the connection to its end into w.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	if dst, ok := w.(*Conn); ok {
		return dst.ReadFrom(c)
	}
	return io.Copy(w, readerOnly{c})
}

type writerOnly struct{ io.Writer }
type readerOnly struct{ io.Reader }

// CloseRead shuts down the reading side.
func (c *Conn) CloseRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.inner.(interface{ CloseRead() error }); ok {
		return h.CloseRead()
	}
	return errors.ErrUnsupported
}

// CloseWrite shuts down the writing side: the peer reads an end.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closeWriteLocked()
}

func (c *Conn) closeWriteLocked() error {
	if h, ok := c.inner.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}

// SyscallConn returns the descriptor's handle.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rc := rawConn(c.inner); rc != nil && !c.bareLocked() {
		return rc, nil
	}
	return nil, errors.ErrUnsupported
}

// note remembers how the connection failed, for the reason of its end.
func (c *Conn) note(err error) {
	if isTimeout(err) || errors.Is(err, net.ErrClosed) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		c.peerGone = true
	} else {
		c.failed = true
	}
}

// failure notes a failed operation and names the host's own decision where
// that was the cause.
func (c *Conn) failure(err error) error {
	if !isTimeout(err) {
		c.note(err)
		return err
	}
	if r, ok := c.Ending(); ok {
		return timeoutError{r}
	}
	return err
}

// endedError is what a Write on an ended dialled connection returns.
func (c *Conn) endedError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if restful(c.endPhase) {
		return ErrEnded
	}
	r, _ := c.Ending()
	return timeoutError{r}
}

// readFailed is failure for Read. A byte that arrived before the host's
// decision to end an idle connection could take effect wins.
func (c *Conn) readFailed(p []byte, n int, err error) (int, error) {
	if n == 0 && c.asksToPark(err) {
		return 0, ErrPark
	}
	if n == 0 && c.ending.Load() != 0 && isTimeout(err) {
		if m := c.reclaim(p); m > 0 {
			return m, nil
		}
	}
	return n, c.failure(err)
}

// isTimeout is on the path of every request: net/http interrupts its
// background read by a deadline that has passed.
func isTimeout(err error) bool {
	if op, ok := err.(*net.OpError); ok && op.Err == os.ErrDeadlineExceeded {
		return true
	}
	return errors.Is(err, os.ErrDeadlineExceeded)
}

var (
	_ io.ReaderFrom = (*Conn)(nil)
	_ io.WriterTo   = (*Conn)(nil)
	_ syscall.Conn  = (*Conn)(nil)
)
