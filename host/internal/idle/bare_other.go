//go:build !linux

package idle

func (c *Conn) bareLocked() bool { return false }

// Nothing parks here, so nothing is stripped.
func (c *Conn) stripLocked() (after func()) {
	c.parkAt = never
	return nil
}

func (c *Conn) dressLocked() {}
