package idle

import "idlehost/host/internal/trace"

// Tape takes down what happens to an account's connections, in an order that a
// replay can follow. It is called from any goroutine, with the connection's
// lock held: it must not block, nor call back.
type Tape interface {
	// Takes reports whether a client's connections are taken down. The answer
	// for one client never changes.
	Takes(client uint64) bool
	// Take takes down one record. r.Ask is not to be kept.
	Take(r trace.Record)
}
