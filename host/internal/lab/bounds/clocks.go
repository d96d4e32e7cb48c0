package bounds

// clocks are what each of several timeouts has open at every moment. A rest of
// exactly a timeout is held, and its connection open at that moment: bytes that
// are there win against a deadline. Of tunnels it does not know, before they
// fall silent, that bytes pass.
type clocks struct {
	timeouts []int64 // nanoseconds, ascending
	windows  []window
	due      []int64 // when the oldest of each is closed
	next     int64   // the least of them
}

func newClocks(timeouts []int64) *clocks {
	c := &clocks{timeouts: timeouts, windows: make([]window, len(timeouts)), due: make([]int64, len(timeouts)), next: forever}
	for i := range c.due {
		c.due[i] = forever
	}
	return c
}

// advance closes what was due before now.
func (c *clocks) advance(now int64) {
	if now <= c.next {
		return
	}
	c.next = forever
	for i := range c.windows {
		w := &c.windows[i]
		for c.due[i] < now {
			w.drop()
			c.due[i] = c.when(i)
		}
		c.next = min(c.next, c.due[i])
	}
}

func (c *clocks) when(i int) int64 {
	l := c.windows[i].oldest
	if l == nil || c.timeouts[i] > forever-l.queued {
		return forever
	}
	return l.queued + c.timeouts[i]
}

func (c *clocks) push(l *lane) {
	for i := range c.windows {
		if c.windows[i].push(l); c.windows[i].oldest == l {
			c.due[i] = c.when(i)
			c.next = min(c.next, c.due[i])
		}
	}
}

// remove is before the queue's: a longer timeout holds all that a shorter one
// does.
func (c *clocks) remove(l *lane) {
	for i := len(c.windows) - 1; i >= 0 && c.windows[i].holds(l); i-- {
		if c.windows[i].remove(l); c.windows[i].oldest == l.next {
			c.due[i] = c.when(i)
		}
	}
}
