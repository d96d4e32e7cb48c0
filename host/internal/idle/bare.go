package idle

// A connection that stays parked is stripped: its net.Conn, with two addresses,
// a descriptor of Go's poller and a finalizer, goes, and what stands in for it
// is no memory at all. Before its owner is woken it is dressed again.

// bareDueLocked is when a parked connection is to be stripped; never if not.
func (c *Conn) bareDueLocked() int64 {
	if c.sleeper == nil {
		return never
	}
	return c.parkAt
}

// stripAtLocked says when, of a connection that is being parked.
func (c *Conn) stripAtLocked(now int64) int64 {
	if c.gov.cfg.StripAfter < 0 || c.bareLocked() {
		return never
	}
	return now + int64(c.gov.cfg.StripAfter)
}
