package h1

import (
	"time"

	"idlehost/host/internal/proxy/leantls"
)

const (
	// sweepEvery is the time between two sweeps: a connection is parked when it
	// has been unused for one to two of them. A busy one never is for so long.
	sweepEvery = 100 * time.Millisecond
	// probeEvery is how often connections are probed that cannot be parked, so
	// that one which its server has closed does not hold a descriptor.
	probeEvery = time.Second
	// batch is how many connections a sweep handles before it releases the lock
	// once.
	batch = 64
)

// connState says who has a connection.
type connState uint8

const (
	stateInUse  connState = iota
	stateUnused           // in the list, watched by nobody
	stateParked           // in the list, in the Governor's poller
	stateClosed           // closed, or about to be
)

// take removes the connection that was used last from the list; nil: it is empty.
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

// popLocked removes the newest connection from the list. It returns false when
// the connection's sleeper is being called, which closes it.
func (c *Client) popLocked() bool {
	k := c.newest
	wasParked := k.state == stateParked
	c.unlinkLocked(k)
	k.state = stateInUse
	if !wasParked {
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
	keep := !c.closed && k.state == stateInUse && k.raw != nil
	if keep {
		c.pushLocked(k)
	}
	c.mu.Unlock()
	if !keep {
		k.Close()
	}
}

func (c *Client) pushLocked(k *Conn) {
	k.state, k.round, k.older = stateUnused, c.round, c.newest
	if c.newest != nil {
		c.newest.newer = k
	} else {
		c.oldest = k
	}
	c.newest = k
	if c.unswept == nil {
		c.unswept = k
	}
	if !c.armed {
		c.armLocked(sweepEvery)
	}
}

func (c *Client) unlinkLocked(k *Conn) {
	if c.unswept == k {
		c.unswept = k.newer
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
	if k.unparkable {
		c.unparkable--
	}
	k.older, k.newer, k.unparkable = nil, nil, false
}

// lose removes a connection and closes it without a close_notify.
func (c *Client) lose(k *Conn) {
	c.mu.Lock()
	if k.state == stateUnused || k.state == stateParked {
		c.unlinkLocked(k)
	}
	k.state = stateClosed
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

// sweep is called by the timer. It parks connections that have been unused for a
// while. It leaves a busy connection alone, which then pays neither for parking
// nor for the poller, which the next answer would wake.
func (c *Client) sweep() {
	c.mu.Lock()
	c.round++
	c.mu.Unlock()
	for c.sweepSome() {
	}
	c.closeUnparkable()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
	case c.unswept != nil:
		c.armLocked(sweepEvery)
		return
	case c.unparkable > 0:
		c.armLocked(probeEvery)
		return
	}
	c.armed = false
}

// sweepSome reports whether there is more to do.
func (c *Client) sweepSome() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range batch {
		k := c.unswept
		if c.closed || k == nil || c.round-k.round < 2 {
			return false
		}
		c.unswept = k.newer
		leantls.Release(k.tls)
		k.raw = nil // it would keep memory that the Governor releases with a parked connection
		if k.wire.conn.Park((*sleeper)(k)) {
			k.state = stateParked
			continue
		}
		k.findRaw()
		if _, ending := k.wire.conn.Ending(); !ending { // else its ender is coming
			k.unparkable = true
			c.unparkable++
		}
	}
	return true
}

// closeUnparkable closes connections that could not be parked, since parking is
// off or the system has no epoll, and that have something to read.
func (c *Client) closeUnparkable() {
	c.mu.Lock()
	if c.unparkable == 0 {
		c.mu.Unlock()
		return
	}
	s := c.buffers.Get().(*buffers)
	var gone []*Conn
	for k := c.oldest; k != nil; {
		next := k.newer
		if k.unparkable && !s.probe.quiet(k.raw) {
			c.unlinkLocked(k)
			k.state = stateClosed
			gone = append(gone, k)
		}
		k = next
	}
	c.mu.Unlock()
	c.buffers.Put(s)
	for _, k := range gone {
		k.sever()
	}
}
