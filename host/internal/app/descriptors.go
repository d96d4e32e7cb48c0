package app

import (
	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
)

// descriptors divides those that the process may have open (ulimit -n): some are
// for the admin server, some for files of all kinds, the store, certificates,
// logs, recordings, names that are looked up and the compiling child, and the
// rest is for connections.
type descriptors struct {
	limit, admin, files, connections int // all 0: there is no limit
}

// fewest is how many descriptors connections get in any case.
const fewest = 16

func divide(limit int) descriptors {
	if limit <= 0 {
		return descriptors{}
	}
	most := max(128, limit/128)
	d := descriptors{limit: limit, admin: min(max(limit/16, 12), most), files: min(max(limit/8, 40), most)}
	d.connections = max(limit-d.admin-d.files, fewest)
	return d
}

// beside returns how many descriptors connections may have while files and the
// admin server have others, which may be more than planned for.
func (d descriptors) beside(others int) int {
	const slack = 8
	return max(min(d.connections, d.limit-others-slack), fewest)
}

// Room is how many clients' connections a process may have whose descriptors
// are limited as this one's are, and that limit; 0: none.
func Room() (connections, limit int) {
	d := divide(int(observe.FileLimit()))
	return idle.Fits(d.connections), d.limit
}

// warnOfRoom says that more connections are allowed than descriptors are.
func (a *App) warnOfRoom(c *config.Config) {
	if fits := idle.Fits(a.descriptors.connections); a.descriptors.limit > 0 && c.Limits.Connections > fits {
		a.logger.Warn("limits.connections is more than there are descriptors for",
			"connections", c.Limits.Connections, "room", fits, "descriptors", a.descriptors.limit,
			"hint", "raise the limit of open files (ulimit -n, LimitNOFILE)")
	}
}
