package control

// The doors of the tests to what has no other.
var (
	ReadHost        = readHost
	ReadDestination = readDestination
	ReadUpstream    = readUpstream
	ReadSpec        = readSpec
	ReadSignature   = readSignature
	ReadKey         = readKey
	CheckPre        = check
	ParseToken      = parseToken
	FindVersion     = version
	Clean           = clean
	DigestOf        = digestOf
)

// Rooms counts the rooms and lines that are open, and the claims held.
func (c *Control) Rooms() int {
	c.rooms.mu.Lock()
	defer c.rooms.mu.Unlock()
	c.lines.mu.Lock()
	defer c.lines.mu.Unlock()
	c.claims.mu.Lock()
	defer c.claims.mu.Unlock()
	return len(c.rooms.open) + len(c.lines.open) + len(c.claims.by) + c.lines.bodies
}

// InLine counts the uploads of a tenant that are under way or wait.
func (c *Control) InLine(tenant string) int {
	c.lines.mu.Lock()
	defer c.lines.mu.Unlock()
	if l := c.lines.open[tenant]; l != nil {
		return l.users
	}
	return 0
}
