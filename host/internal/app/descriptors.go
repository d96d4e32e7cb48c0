package app

import (
	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
	"idlehost/host/internal/overload"
)

// Room is how many clients' connections a process may have whose descriptors
// are limited as this one's are, and that limit; 0: none.
func Room() (connections, limit int) {
	d := overload.Divide(int(observe.FileLimit()))
	return idle.Fits(d.Connections), d.Limit
}

// warnOfRoom says that more connections are allowed than descriptors are.
func (a *App) warnOfRoom(c *config.Config) {
	if fits := idle.Fits(a.descriptors.Connections); a.descriptors.Limit > 0 && c.Limits.Connections > fits {
		a.logger.Warn("limits.connections is more than there are descriptors for",
			"connections", c.Limits.Connections, "room", fits, "descriptors", a.descriptors.Limit,
			"hint", "raise the limit of open files (ulimit -n, LimitNOFILE)")
	}
}
