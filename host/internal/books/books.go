// Package books keeps what a good policy needs to know and only a host can
// see: per tenant, route class and stage of acquaintance a decaying histogram
// of the gaps between requests, correctly censored; per client a small bounded
// memory that survives its connections.
//
// Times are Unix milliseconds passed in by the caller, so that a replay in
// virtual time keeps the same books as production.
package books

import (
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Config configures Books. The zero value works.
type Config struct {
	// Clients bounds the client table; the least recently used is forgotten.
	// 0: 16384. A table of 1024 or more is split into 16 parts of equal
	// size, each with a lock and an order of use of its own.
	Clients int
	// Classes is the number of route classes; 0: 1. Classes past it count as 0.
	Classes int
	// HalfLife is the number of gaps after which one weighs half. 0: 4096.
	// More than 1<<22 is 1<<22.
	HalfLife int
	// LateWithin is how soon after a close, in ms, a return counts as Late.
	// 0: 1000 ms.
	LateWithin uint32
}

func (c Config) clients() int       { return configDefault(c.Clients, 16384, 1<<26) }
func (c Config) classes() int       { return configDefault(c.Classes, 1, 1<<16) }
func (c Config) halfLife() int      { return configDefault(c.HalfLife, 4096, maxHalfLife) }
func (c Config) lateWithin() uint32 { return configDefault(c.LateWithin, 1000, abi.Never) }

func configDefault[T int | uint32](v, def, limit T) T {
	if v <= 0 {
		return def
	}
	return min(v, limit)
}

// Books of one tenant. Safe for concurrent use. Of the many tenants of a host
// most are quiet: histograms and shards come into being with what is first
// written into them, and empty Books are a few hundred bytes.
//
// A shard's lock may be held while a histogram's is taken, not the opposite;
// neither is ever held while another of its kind is.
type Books struct {
	shards     []atomic.Pointer[shard] // a power of two; nil: nobody is in it
	classes    int
	plain      stages                   // of class 0
	others     atomic.Pointer[[]stages] // of the others by class, less 1; nil: no gap was noted
	blank      blank
	limit      int // of a shard's table
	lateWithin int64
}

// New returns empty books.
func New(cfg Config) *Books {
	clients, n := cfg.clients(), 1
	if clients >= 1024 {
		n = 16
	}
	b := &Books{
		shards:     make([]atomic.Pointer[shard], n),
		classes:    cfg.classes(),
		blank:      newBlank(cfg.halfLife()),
		limit:      (clients + n - 1) / n,
		lateWithin: int64(cfg.lateWithin()),
	}
	return b
}

// Opened notes a connection of client. When the host's last close of this
// client is not answered yet, the client has returned: its cut gap becomes a
// returned one. sinceClose, in ms, is how long ago that close was, valid if
// returned.
func (b *Books) Opened(client uint64, now int64) (sinceClose uint32, returned bool) {
	if client == 0 {
		return 0, false
	}
	s := b.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.table.touch(client)
	r.conns++
	r.open++
	if !r.pending {
		return 0, false
	}
	since := max(now-r.closedAt, 0)
	gap := millis(int64(r.cutMs) + since)
	b.histogram(r.cutRoute, r.cutStage).comeBack(r.cutAt, gap)
	r.comeBack(gap)
	if b.Late(millis(since)) {
		r.late++
	}
	return millis(since), true
}

// Late reports whether a return so many ms after a close is late by little:
// the client had wanted the connection that was just closed.
func (b *Books) Late(sinceClose uint32) bool { return int64(sinceClose) <= b.lateWithin }

// Closed notes that a connection of client is no longer open, however it ended.
func (b *Books) Closed(client uint64) {
	if client == 0 {
		return
	}
	s := b.seat(client).Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.table.find(client); r != nil && r.open > 0 {
		r.open--
	}
}

// Returned notes a gap, in ms, that ended in another request.
func (b *Books) Returned(client uint64, route uint16, gap uint32) {
	b.note(client, route, abi.GapKindReturned, gap)
}

// Gone notes that the client closed after idling for gap ms.
func (b *Books) Gone(client uint64, route uint16, gap uint32) {
	b.note(client, route, abi.GapKindGone, gap)
}

func (b *Books) note(client uint64, route uint16, kind abi.GapKind, gap uint32) {
	if client == 0 {
		b.histogram(route, 0).add(kind, gap)
		return
	}
	s := b.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.table.touch(client)
	b.histogram(route, stageOf(r.gaps)).add(kind, gap)
	r.push(kind, gap)
}

// Cut notes that the host closed a connection that had idled for gap ms.
func (b *Books) Cut(client uint64, route uint16, gap uint32, now int64) {
	if client == 0 {
		b.histogram(route, 0).add(abi.GapKindCut, gap)
		return
	}
	s := b.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.table.touch(client)
	r.cutStage = stageOf(r.gaps)
	at := b.histogram(route, r.cutStage).add(abi.GapKindCut, gap)
	r.cutOff(b.route(route), gap, at, now)
}

// Fill writes the client's fields of e (all that begin with Client but Client
// itself) and, when the histogram of e.Route and of the client's stage differs
// from what g holds (Generation, Route), copies it into g. It allocates nothing.
// While there are few gaps of that stage, the nearest that has more stands in.
//
// g, if not nil, is either zero or was last filled by these Books: a
// generation tells the states of one histogram apart, not tenants.
func (b *Books) Fill(e *policy.Event, g *policy.Gaps, now int64) {
	b.fillClient(e, now)
	if g == nil {
		return
	}
	route := b.route(e.Route)
	var h *histogram
	if noted := b.noted(route); noted != nil {
		h = noted.nearest(stageOf(e.ClientGapCount))
	}
	if h != nil {
		h.copyTo(g)
	} else {
		b.blank.copyTo(g, route)
	}
}

func (b *Books) fillClient(e *policy.Event, now int64) {
	s := b.seat(e.Client).Load()
	if e.Client == 0 || s == nil {
		new(record).fill(e, now)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.table.find(e.Client); r != nil {
		r.fill(e, now)
	} else {
		new(record).fill(e, now)
	}
}

// seat uses the topmost bits of the mixed key, the table's index the lower.
func (b *Books) seat(client uint64) *atomic.Pointer[shard] {
	return &b.shards[mix(client)>>60&uint64(len(b.shards)-1)]
}

// shard returns the client's shard, new if need be.
func (b *Books) shard(client uint64) *shard {
	seat := b.seat(client)
	if s := seat.Load(); s != nil {
		return s
	}
	s := new(shard)
	s.table.limit = b.limit
	seat.CompareAndSwap(nil, s)
	return seat.Load()
}

func (b *Books) route(route uint16) uint16 {
	if int(route) >= b.classes {
		return 0
	}
	return route
}

// histogram returns that of a route class and a stage, new if need be.
func (b *Books) histogram(route uint16, s stage) *histogram {
	route = b.route(route)
	return b.class(route).at(s, b.blank, route)
}

// class returns the histograms of a route class.
func (b *Books) class(route uint16) *stages {
	if noted := b.noted(route); noted != nil {
		return noted
	}
	all := make([]stages, b.classes-1)
	b.others.CompareAndSwap(nil, &all)
	return b.noted(route)
}

// noted returns the histograms of a route class; nil: no gap was noted.
func (b *Books) noted(route uint16) *stages {
	if route == 0 {
		return &b.plain
	}
	if others := b.others.Load(); others != nil {
		return &(*others)[route-1]
	}
	return nil
}

// millis fits a duration into an ABI field; abi.Never stays free.
func millis(ms int64) uint32 { return uint32(min(max(ms, 0), abi.Never-1)) }
