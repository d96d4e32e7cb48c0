package idle

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller watches parked connections with an epoll of its own, which in turn is
// watched by Go's: it costs no thread.
type poller struct {
	file *os.File // the epoll
	raw  syscall.RawConn
	fd   int
	done chan struct{}
	held sync.WaitGroup // of goroutines that wait for a Conn's mu

	mu    sync.Mutex // guards the following; a Conn's mu may be held, never taken
	conns []*Conn    // by descriptor; nil: none is watched
}

// newPoller returns a running poller.
func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &poller{file: os.NewFile(uintptr(fd), "parked"), fd: fd, done: make(chan struct{})}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	go p.serve()
	return p, nil
}

// close stops the goroutine and waits for it. Nobody is woken any more.
func (p *poller) close() {
	p.file.Close()
	<-p.done
	p.held.Wait()
}

const watched = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT

// watch has c.ready called once. c.mu is held. The event carries the
// descriptor and half of the id: a descriptor may be another connection's by
// the time an event of its former one is looked at.
func (p *poller) watch(c *Conn) bool {
	if c.fd == 0 && !c.findFd() {
		return false
	}
	fd := int(c.fd - 1)
	op := unix.EPOLL_CTL_MOD
	if !c.polled {
		op = unix.EPOLL_CTL_ADD
		p.enter(fd, c)
	}
	ev := unix.EpollEvent{Events: watched, Fd: int32(fd), Pad: int32(uint32(c.id))}
	if err := unix.EpollCtl(p.fd, op, fd, &ev); err != nil {
		return false
	}
	c.polled = true
	return true
}

// findFd notes the descriptor, which is the connection's until it is closed.
func (c *Conn) findFd() bool {
	rc := c.rawLocked()
	if rc == nil {
		return false
	}
	return rc.Control(func(fd uintptr) { c.fd = int32(fd) + 1 }) == nil && c.fd > 0
}

func (p *poller) enter(fd int, c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := fd + 1 - len(p.conns); n > 0 {
		p.conns = append(p.conns, make([]*Conn, n)...)
	}
	p.conns[fd] = c
}

// forget ends the watch. c.mu is held, and the descriptor still c's: closing
// it takes it out of the epoll.
func (p *poller) forget(c *Conn) {
	if !c.polled {
		return
	}
	c.polled = false
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd := int(c.fd - 1); p.conns[fd] == c {
		p.conns[fd] = nil
	}
}

func (p *poller) find(ev *unix.EpollEvent) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	fd := int(ev.Fd)
	if fd >= len(p.conns) {
		return nil
	}
	if c := p.conns[fd]; c != nil && int32(uint32(c.id)) == ev.Pad {
		return c
	}
	return nil
}

// serve is the poller's goroutine; close ends it.
func (p *poller) serve() {
	defer close(p.done)
	events := make([]unix.EpollEvent, 256)
	n := 0
	// It must not return false before the epoll is found empty: Go's poller
	// tells of changes only.
	wait := func(fd uintptr) bool {
		for {
			var err error
			if n, err = unix.EpollWait(int(fd), events, 0); err != unix.EINTR {
				return n != 0
			}
		}
	}
	for p.raw.Read(wait) == nil {
		for i := range max(n, 0) {
			ev := &events[i]
			if c := p.find(ev); c != nil {
				p.tell(c, ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
			}
		}
	}
}

// tell calls readyLocked. A connection whose policy is just being asked holds up
// no other: a goroutine waits for its mu, at most one for each connection, since
// a connection is watched once.
func (p *poller) tell(c *Conn, hungUp bool) {
	if c.mu.TryLock() {
		c.readyLocked(hungUp)
		return
	}
	p.held.Go(func() {
		c.mu.Lock()
		c.readyLocked(hungUp)
	})
}
