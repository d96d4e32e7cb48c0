// Package books keeps what a good policy needs to know and only a host can
// see: per tenant and route class a decaying histogram of the gaps between
// requests, correctly censored; per client a small bounded memory that
// survives its connections.
//
// Times are Unix milliseconds passed in by the caller, so that a replay in
// virtual time keeps the same books as production.
package books

import "idlehost/host/internal/policy"

// Config configures Books. The zero value works.
type Config struct {
	// Clients bounds the client table; the least recently used is forgotten.
	// 0: 16384.
	Clients int
	// Classes is the number of route classes; 0: 1. Classes past it count as 0.
	Classes int
	// HalfLife is the number of gaps after which one weighs half. 0: 4096.
	HalfLife int
	// LateWithin is how soon after a close a return counts as Late. 0: 1000 ms.
	LateWithin uint32
}

// Books of one tenant. Safe for concurrent use.
type Books struct{}

// New returns empty books.
func New(cfg Config) *Books { return &Books{} }

// Opened notes a connection of client. When the host's last close of this
// client is not answered yet, the client has returned: its cut gap becomes a
// returned one. sinceClose is how long ago that close was, valid if returned.
func (b *Books) Opened(client uint64, now int64) (sinceClose uint32, returned bool) { return 0, false }

// Closed notes that a connection of client is no longer open, however it ended.
func (b *Books) Closed(client uint64) {}

// Returned notes a gap, in ms, that ended in another request.
func (b *Books) Returned(client uint64, route uint16, gap uint32) {}

// Gone notes that the client closed after idling for gap ms.
func (b *Books) Gone(client uint64, route uint16, gap uint32) {}

// Cut notes that the host closed a connection that had idled for gap ms.
func (b *Books) Cut(client uint64, route uint16, gap uint32, now int64) {}

// Fill writes the client's fields of e (all that begin with Client but Client
// itself) and, when the histogram of e.Route differs from what g holds
// (Generation, Route), copies it into g. It allocates nothing.
func (b *Books) Fill(e *policy.Event, g *policy.Gaps, now int64) {}
