package proxy

import "sync"

// speakers is how many farewells may be said at once. A peer whose window is
// shut holds one up for the 5 s that crypto/tls gives it, and all of them for no
// longer than the Governor waits for an owner to close.
const speakers = 64

// farewells closes connections over TLS that end while they are parked: a
// close_notify may block, and those who decide the end may not.
type farewells struct {
	crew *crew

	mu    sync.Mutex // guards the following
	queue []*conn
	busy  int // speakers
}

// say closes c soon. It does not block.
func (f *farewells) say(c *conn) {
	f.mu.Lock()
	f.queue = append(f.queue, c)
	hire := f.busy < speakers
	if hire {
		f.busy++
	}
	f.mu.Unlock()
	if hire && !f.crew.begin(f.speak) {
		f.each(func(c *conn) { c.idle.Close() })
	}
}

// speak says good-bye to whoever waits for it.
func (f *farewells) speak() { f.each(func(c *conn) { c.Conn.Close() }) }

// each calls bye for every connection of the queue until it is empty.
func (f *farewells) each(bye func(*conn)) {
	for {
		f.mu.Lock()
		n := len(f.queue)
		if n == 0 {
			f.queue = nil
			f.busy--
			f.mu.Unlock()
			return
		}
		c := f.queue[n-1]
		f.queue[n-1] = nil
		f.queue = f.queue[:n-1]
		f.mu.Unlock()
		bye(c)
	}
}
