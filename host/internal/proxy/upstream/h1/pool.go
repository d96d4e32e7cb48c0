package h1

import (
	"time"

	"idlehost/host/internal/proxy/leantls"
)

const (
	// restAfter is the time between two sweeps: a connection is parked when
	// it has been unused for one to two of them. Long enough for a busy one
	// never to be.
	restAfter = 100 * time.Millisecond
	// lookEvery is how often those are looked at that cannot be parked, so
	// that one which its server has closed does not hold a descriptor.
	lookEvery = time.Second
	// batch is how many connections a sweep handles before it lets others
	// have the lock.
	batch = 64
)

// place is where a connection is.
type place uint8

const (
	inUse  place = iota
	awake        // in the list, watched by nobody
	asleep       // in the list, parked
	dead         // to be closed, or closed
)

// take takes the connection out that was used last; nil: there is none.
func (c *Client) take() *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		k := c.newest
		if k == nil || c.popLocked() {
			return k
		}
	}
}

// popLocked takes the newest connection out. It returns false when the
// connection's sleeper is being called, which closes it.
func (c *Client) popLocked() bool {
	k := c.newest
	slept := k.place == asleep
	c.unlinkLocked(k)
	k.place = inUse
	if !slept {
		return true
	}
	if !k.wire.conn.Unpark() {
		return false
	}
	k.findRaw()
	return true
}

// put keeps a connection for the next request, or closes it.
func (c *Client) put(k *Conn) {
	c.mu.Lock()
	keep := !c.closed && k.place == inUse && k.raw != nil
	if keep {
		c.pushLocked(k)
	}
	c.mu.Unlock()
	if !keep {
		k.Close()
	}
}

func (c *Client) pushLocked(k *Conn) {
	k.place, k.round, k.older = awake, c.round, c.newest
	if c.newest != nil {
		c.newest.newer = k
	} else {
		c.oldest = k
	}
	c.newest = k
	if c.hot == nil {
		c.hot = k
	}
	if !c.armed {
		c.armLocked(restAfter)
	}
}

func (c *Client) unlinkLocked(k *Conn) {
	if c.hot == k {
		c.hot = k.newer
	}
	if k.older != nil {
		k.older.newer = k.newer
	} else {
		c.oldest = k.newer
	}
	if k.newer != nil {
		k.newer.older = k.older
	} else {
		c.newest = k.older
	}
	if k.blind {
		c.blind--
	}
	k.older, k.newer, k.blind = nil, nil, false
}

// lose forgets a connection and closes it without a word.
func (c *Client) lose(k *Conn) {
	c.mu.Lock()
	if k.place == awake || k.place == asleep {
		c.unlinkLocked(k)
	}
	k.place = dead
	c.mu.Unlock()
	k.sever()
}

func (c *Client) armLocked(d time.Duration) {
	c.armed = true
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.sweep)
		return
	}
	c.timer.Reset(d)
}

// sweep is the timer's: it parks what has been unused for a while. A busy
// connection is never touched, so that it pays neither for the parking nor for
// the poller's waking up at its next answer.
func (c *Client) sweep() {
	c.mu.Lock()
	c.round++
	c.mu.Unlock()
	for c.sweepSome() {
	}
	c.lookAtBlind()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
	case c.hot != nil:
		c.armLocked(restAfter)
		return
	case c.blind > 0:
		c.armLocked(lookEvery)
		return
	}
	c.armed = false
}

// sweepSome reports whether there is more to do.
func (c *Client) sweepSome() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range batch {
		k := c.hot
		if c.closed || k == nil || c.round-k.round < 2 {
			return false
		}
		c.hot = k.newer
		leantls.Release(k.tls)
		k.raw = nil // it would keep what the Governor may take from a parked one
		if k.wire.conn.Park((*sleeper)(k)) {
			k.place = asleep
			continue
		}
		k.findRaw()
		if _, ending := k.wire.conn.Ending(); !ending { // else its ender is coming
			k.blind = true
			c.blind++
		}
	}
	return true
}

// lookAtBlind closes those that could not be parked and are not quiet any
// more: where parking is off, or the system has no epoll.
func (c *Client) lookAtBlind() {
	c.mu.Lock()
	if c.blind == 0 {
		c.mu.Unlock()
		return
	}
	s := c.scratch.Get().(*scratch)
	var gone []*Conn
	for k := c.oldest; k != nil; {
		next := k.newer
		if k.blind && !s.probe.quiet(k.raw) {
			c.unlinkLocked(k)
			k.place = dead
			gone = append(gone, k)
		}
		k = next
	}
	c.mu.Unlock()
	c.scratch.Put(s)
	for _, k := range gone {
		k.sever()
	}
}
