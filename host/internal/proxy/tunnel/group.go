package tunnel

import "sync"

// Group owns the goroutines of tunnels. The zero value works.
type Group struct {
	running sync.WaitGroup // added to by enter
	buffers buffers

	mu     sync.Mutex // guards the following
	closed bool
}

// Close lets no goroutine start any more and returns when none runs. The caller
// closes the connections meanwhile, which ends the goroutines; a parked tunnel has
// none.
func (g *Group) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.running.Wait()
}

// enter counts n goroutines that are about to start. It returns false when none may start.
func (g *Group) enter(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running.Add(n)
	return true
}
