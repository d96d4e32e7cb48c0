package bounds

// clocks are what each of several timeouts has open at every moment. A rest of
// exactly a timeout is held, and its connection open at that moment: bytes that
// are there win against a deadline. Of tunnels it does not know, before they
// fall silent, that bytes pass.
//
// What a timeout holds is the youngest part of the queue, and includes what a
// shorter one holds.
type clocks struct {
	timeouts []int64 // nanoseconds, ascending
	oldest   []*lane // that each holds; nil: it holds none
	due      []int64 // when that is closed; forever: it is not
	next     int64   // no later than the least of them
	pushed   int64
	gone     []int64 // of what was pushed, what each holds no longer
	peaks    []int64 // as of the last time that something went
}

func newClocks(timeouts []int64) *clocks {
	n := len(timeouts)
	c := &clocks{timeouts: timeouts, oldest: make([]*lane, n), due: make([]int64, n), next: forever, gone: make([]int64, n), peaks: make([]int64, n)}
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
	next := int64(forever)
	for i, due := range c.due {
		for due < now {
			c.drop(i)
			c.oldest[i] = c.oldest[i].next
			due = c.when(i)
		}
		c.due[i] = due
		next = min(next, due)
	}
	c.next = next
}

// push has all of them hold the lane that was just queued.
func (c *clocks) push(l *lane) {
	c.pushed++
	for i := 0; i < len(c.oldest) && c.oldest[i] == nil; i++ {
		c.oldest[i] = l
		c.due[i] = c.when(i)
		c.next = min(c.next, c.due[i])
	}
}

// remove is before the queue's.
func (c *clocks) remove(l *lane) {
	for i := len(c.oldest) - 1; i >= 0; i-- {
		o := c.oldest[i]
		if o == nil || l.turn < o.turn {
			return
		}
		c.drop(i)
		if o == l {
			c.oldest[i] = l.next
			c.due[i] = c.when(i)
		}
	}
}

// drop has one hold one less. Between two drops it only holds more, so that
// this is when to look for the peak.
func (c *clocks) drop(i int) {
	c.peaks[i] = c.peak(i)
	c.gone[i]++
}

// peak returns the most that the i-th timeout has held at one time.
func (c *clocks) peak(i int) int64 { return max(c.peaks[i], c.pushed-c.gone[i]) }

func (c *clocks) when(i int) int64 {
	l := c.oldest[i]
	if l == nil || c.timeouts[i] > forever-max(l.queued, 0) {
		return forever
	}
	return l.queued + c.timeouts[i]
}
