package v1

import "sync"

// keyedCounter counts who is in, by key, and lets so many of each in.
type keyedCounter struct {
	most int

	mu sync.Mutex // guards the following field
	in map[string]int
}

func newKeyedCounter(most int) *keyedCounter { return &keyedCounter{most: most, in: map[string]int{}} }

// enter reports whether there is room; if so, leave is called later.
func (c *keyedCounter) enter(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in[key] >= c.most {
		return false
	}
	c.in[key]++
	return true
}

func (c *keyedCounter) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in[key]--; c.in[key] <= 0 {
		delete(c.in, key)
	}
}
