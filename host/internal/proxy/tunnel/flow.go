package tunnel

import (
	"errors"
	"io"
	"os"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/sdk/abi"
)

// errOver is the error of a write when the other end cannot be parked again, or the
// Group is closed.
var errOver = errors.New("tunnel is over")

// run is the goroutine of one direction, from end i to the other. It ends when
// nothing has come for a while, and Wake starts it again.
func (t *tunnel) run(i int, early []byte) {
	defer t.group.running.Done()
	f := flow{tunnel: t, from: i}
	err := f.begin(early)
	for errors.Is(err, idle.ErrPark) {
		switch t.sleep(i) {
		case resultParked:
			return
		case resultReading:
			err = f.begin(nil)
		case resultEnded:
			err = errOver
		}
	}
	if err == io.EOF && t.halfClose(i) {
		return
	}
	t.end()
}

// halfClose passes the end of the bytes of end i on, and reports whether the other
// direction goes on.
func (t *tunnel) halfClose(i int) bool {
	o := other(i)
	t.setPhase(abi.PhaseHalfClosed)
	if _, ok := t.claim(o, true); !ok || t.ends[o].stream.CloseWrite() != nil || !t.settle(o) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends[i].state = ended
	return t.ends[o].state != ended
}

// flow is one direction while bytes pass.
type flow struct {
	tunnel *tunnel
	from   int
	wrote  bool // something, since it was woken
}

// begin passes bytes on until an error, ErrPark or io.EOF.
func (f *flow) begin(early []byte) error {
	if len(early) > 0 {
		if err := f.write(early, false); err != nil {
			return err
		}
	}
	b := &f.tunnel.group.buffers
	p := b.getSmall()
	for {
		n, err := f.read(p)
		if n > 0 {
			if werr := f.write(p[:n], n == len(p)); werr != nil {
				err = werr
			}
		}
		if err == nil && n == largeSize && f.spliceable() {
			err = f.splice()
		}
		if err != nil {
			b.put(p)
			return err
		}
		p = b.fit(p, n)
	}
}

// read waits for bytes of the direction.
func (f *flow) read(p []byte) (int, error) {
	e := &f.tunnel.ends[f.from]
	e.conn.Doze()
	n, err := e.stream.Read(p)
	e.conn.Rouse()
	return n, err
}

// write passes p on. A parked end is not woken for a single message: it is parked
// again at once. When more is to come, its direction is woken.
func (f *flow) write(p []byte, more bool) error {
	t, o := f.tunnel, other(f.from)
	isHeld, ok := t.claim(o, f.wrote || more)
	if !ok {
		return errOver
	}
	f.wrote = true
	if isHeld {
		relief := time.AfterFunc(holdLimit, func() { t.relieve(o) })
		defer relief.Stop()
	}
	if _, err := t.ends[o].stream.Write(p); err != nil {
		return err
	}
	if !t.settle(o) {
		return errOver
	}
	return nil
}

// holdLimit is how long a write to a held end may take before the end is woken.
const holdLimit = 10 * time.Millisecond

// spliceable reports whether the kernel can pass the bytes: neither end speaks TLS.
func (f *flow) spliceable() bool {
	for i := range f.tunnel.ends {
		if e := &f.tunnel.ends[i]; e.stream != Stream(e.conn) {
			return false
		}
	}
	return true
}

// A splice holds a pipe of the kernel (64 KB, two descriptors), so a flow does not
// wait in it: when a chunk is not full after spliceWait, the flow reads again.
const (
	spliceChunk = 1 << 20
	spliceWait  = 100 * time.Millisecond
)

// splice passes bytes within the kernel while they come fast. It returns nil when
// they do not any more.
func (f *flow) splice() error {
	t, o := f.tunnel, other(f.from)
	if _, ok := t.claim(o, true); !ok {
		return errOver
	}
	defer t.settle(o) // it is awake, and not parked here
	src, dst := t.ends[f.from].conn, t.ends[o].conn
	for {
		src.SetReadDeadline(time.Now().Add(spliceWait))
		n, err := dst.ReadFrom(&io.LimitedReader{R: src, N: spliceChunk})
		src.SetReadDeadline(time.Time{})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !ending(src) && !ending(dst):
			return nil // nothing is lost: the pipe is empty when a read fails
		case err != nil:
			return err
		case n < spliceChunk:
			return io.EOF
		}
	}
}

func ending(c *idle.Conn) bool {
	_, yes := c.Ending()
	return yes
}
