package proxy

import "sync"

// crew is the goroutines that serve connections outside net/http. Accept loops
// and wakes begin them; the Proxy waits for all of them when it closes.
type crew struct {
	wg sync.WaitGroup

	mu   sync.Mutex // guards the following
	over bool
}

// begin runs f in a goroutine. It returns false once end was called.
func (c *crew) begin(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.wg.Go(f)
	return true
}

// end lets nobody begin any more and waits for those who have.
func (c *crew) end() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.wg.Wait()
}
