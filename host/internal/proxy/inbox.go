package proxy

import (
	"net"
	"sync"
)

// inbox is the listener that hands connections to net/http, in the order in
// which they were put. Its length is bounded by the number of connections.
type inbox struct {
	mu    sync.Mutex // guards the following
	some  sync.Cond  // there are connections, or no more will come
	conns []net.Conn // from first on
	first int
	ended bool
}

// spare is how many places an empty inbox keeps: a burst is not remembered.
const spare = 1024

func newInbox() *inbox {
	b := &inbox{}
	b.some.L = &b.mu
	return b
}

// put hands over nc. It does not block; it returns false when nobody takes
// connections any more.
func (b *inbox) put(nc net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.conns = append(b.conns, nc)
	b.some.Signal()
	return true
}

// Accept returns the next connection.
func (b *inbox) Accept() (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.first == len(b.conns) {
		if b.ended {
			return nil, net.ErrClosed
		}
		b.some.Wait()
	}
	nc := b.conns[b.first]
	b.conns[b.first] = nil
	if b.first++; b.first == len(b.conns) {
		b.first, b.conns = 0, b.conns[:0]
		if cap(b.conns) > spare {
			b.conns = nil
		}
	}
	return nc, nil
}

// end lets no more connections come. Those that nobody took are the caller's.
func (b *inbox) end() []net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.conns[b.first:]
	b.first, b.conns, b.ended = 0, nil, true
	b.some.Broadcast()
	return left
}

// Close does nothing: the Proxy ends the inbox when no more connections come.
func (b *inbox) Close() error { return nil }

// Addr names no address, for there are many.
func (b *inbox) Addr() net.Addr { return &net.UnixAddr{Name: "proxy", Net: "unix"} }

var _ net.Listener = (*inbox)(nil)
