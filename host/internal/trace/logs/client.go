package logs

// client is the connection of a client, while it is remembered or has requests
// in flight.
type client struct {
	name    uint64 // pseudonym
	conn    uint64
	in, out uint64 // bytes
	flight  int    // requests that have not ended
	gone    bool   // forgotten, but for what is in flight

	newer, older int32 // neighbours by last request
}

// clients remembers so many of them as there may be, in the order of their
// last requests. Slot 0 is the ends of that order: its older is the newest.
type clients struct {
	limit     int
	slots     []client
	free      []int32
	byName    map[uint64]int32
	forgotten int64
	conns     uint64
}

func newClients(limit int) clients {
	return clients{limit: limit, slots: make([]client, 1), byName: map[uint64]int32{}}
}

// request returns the slot of a client that has sent a request, and whether it
// is a new one.
func (c *clients) request(name uint64) (slot int32, fresh bool) {
	slot, known := c.byName[name]
	if known {
		if c.slots[0].older != slot {
			c.unlink(slot)
			c.link(slot)
		}
		return slot, false
	}
	if len(c.byName) >= c.limit {
		c.forget(c.slots[0].newer)
	}
	slot = c.add(name)
	c.byName[name] = slot
	c.link(slot)
	return slot, true
}

// alone returns a slot of a connection that nobody else uses, and that is
// freed with its request.
func (c *clients) alone(name uint64) int32 {
	slot := c.add(name)
	c.slots[slot].gone = true
	return slot
}

func (c *clients) add(name uint64) (slot int32) {
	if n := len(c.free); n > 0 {
		slot, c.free = c.free[n-1], c.free[:n-1]
	} else {
		slot = int32(len(c.slots))
		c.slots = append(c.slots, client{})
	}
	c.conns++
	c.slots[slot] = client{name: name, conn: c.conns}
	return slot
}

func (c *clients) forget(slot int32) {
	c.unlink(slot)
	delete(c.byName, c.slots[slot].name)
	c.forgotten++
	c.slots[slot].gone = true
	c.reclaim(slot)
}

// reclaim frees a slot that nobody needs any more.
func (c *clients) reclaim(slot int32) {
	if s := &c.slots[slot]; s.gone && s.flight == 0 {
		c.free = append(c.free, slot)
	}
}

func (c *clients) unlink(slot int32) {
	s := &c.slots[slot]
	c.slots[s.newer].older, c.slots[s.older].newer = s.older, s.newer
}

// link makes a slot the newest.
func (c *clients) link(slot int32) {
	s := &c.slots[slot]
	s.newer, s.older = 0, c.slots[0].older
	c.slots[s.older].newer, c.slots[0].older = slot, slot
}
