package recorder

import (
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

// slots is how many records the ring holds: at 80 bytes each, 1.3 MB, and a
// tenth of a second of 160,000 records a second.
const slots = 1 << 14

// ring hands records from many goroutines to one, in the order in which they
// were put, and never makes anybody wait: where it is full, nothing is put. It
// is the bounded queue of D. Vyukov (1024cores.net), with one reader.
type ring struct {
	slots []slot
	mask  uint64
	tail  atomic.Uint64 // next place to put
	_     [56]byte      // the reader's own cache line
	head  uint64        // next place to take; the reader's
	taken atomic.Uint64 // head, or up to told places before it
}

// told is after how many places the reader updates taken, which every writer
// reads for each record.
const told = 64

// slot is a record as the ring has it: what records of requests need, and
// otherwise the whole.
type slot struct {
	// seq is the place whose turn it is to be put here, or one more once it is.
	seq       atomic.Uint64
	time      int64
	conn      uint64
	span      int64 // Since, or Age
	in, out   uint64
	client    uint64
	whole     *whole // of kinds that need it; nil: all is here
	tenant    uint32
	route     uint16
	handshake uint16
	kind      trace.Kind
	side      policy.Side
	protocol  policy.Protocol
	phase     policy.Phase
	reason    policy.Reason
	flags     uint8
}

const (
	flagBody = 1 << iota
	flagCut
)

// whole is a record that does not fit, with what it points to.
type whole struct {
	record   trace.Record
	ask      policy.Event
	answered bool // inside the call: answer goes with the record, a question
	answer   trace.Answer
	rules    trace.Rules
}

func newRing(size int) *ring {
	g := &ring{slots: make([]slot, size), mask: uint64(size - 1)}
	for i := range g.slots {
		g.slots[i].seq.Store(uint64(i))
	}
	return g
}

// claim returns a place that nobody else gets, which must be filled; false:
// there is no room. It is on the path of every request: no lock, no allocation.
func (g *ring) claim() (at uint64, ok bool) {
	for at = g.tail.Load(); ; at = g.tail.Load() {
		switch turn := g.slots[at&g.mask].seq.Load(); {
		case turn < at:
			return at, false
		case turn == at && g.tail.CompareAndSwap(at, at+1):
			return at, true
		}
	}
}

// fill puts r, of a tenant, or w where that is not nil, at a place that was
// claimed. What comes behind it is not taken before.
func (g *ring) fill(at uint64, r *trace.Record, tenant uint32, w *whole) {
	s := &g.slots[at&g.mask]
	s.tenant = tenant
	s.fill(r, w)
	s.seq.Store(at + 1)
}

func (s *slot) fill(r *trace.Record, w *whole) {
	s.kind = r.Kind
	if w != nil {
		s.whole = w
		return
	}
	s.time, s.conn, s.in, s.out = r.Time, r.Conn, r.BytesIn, r.BytesOut
	s.span, s.client = r.Since, r.Client
	if r.Kind == trace.KindOpen {
		s.span = r.Age
	}
	s.route, s.handshake = r.Route, r.Handshake
	s.side, s.protocol, s.phase, s.reason = r.Side, r.Protocol, r.Phase, r.Reason
	s.flags = 0
	if r.Body {
		s.flags |= flagBody
	}
	if r.Cut {
		s.flags |= flagCut
	}
}

// free returns how many places nobody has claimed, or a few less.
func (g *ring) free() int { return len(g.slots) - int(g.tail.Load()-g.taken.Load()) }

// take puts the next record into r, and returns its tenant and whether there was
// one. r points into whole, which belongs to the caller.
func (g *ring) take(r *trace.Record) (w *whole, tenant uint32, ok bool) {
	s := &g.slots[g.head&g.mask]
	if s.seq.Load() != g.head+1 {
		g.taken.Store(g.head)
		return nil, 0, false
	}
	if w = s.whole; w != nil {
		*r, s.whole = w.record, nil
	} else {
		s.read(r)
	}
	tenant = s.tenant
	s.seq.Store(g.head + uint64(len(g.slots)))
	if g.head++; g.head%told == 0 {
		g.taken.Store(g.head)
	}
	return w, tenant, true
}

func (s *slot) read(r *trace.Record) {
	*r = trace.Record{
		Kind: s.kind, Time: s.time, Conn: s.conn, Client: s.client, Tenant: s.tenant,
		Side: s.side, Protocol: s.protocol, Phase: s.phase, Reason: s.reason, Handshake: s.handshake, Route: s.route,
		Body: s.flags&flagBody != 0, Cut: s.flags&flagCut != 0, BytesIn: s.in, BytesOut: s.out,
	}
	if s.kind == trace.KindOpen {
		r.Age = s.span
	} else {
		r.Since = s.span
	}
}

// empty reports whether there is nothing to take. It is the reader's.
func (g *ring) empty() bool { return g.slots[g.head&g.mask].seq.Load() != g.head+1 }
