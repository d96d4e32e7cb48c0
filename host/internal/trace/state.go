package trace

import "idlehost/sdk/abi"

// state is what the records of a frame so far have told, and the next one
// refers to. Writer and Reader keep the same; it begins anew with each frame,
// so that a frame that is lost costs its own records only.
type state struct {
	step  int64 // the coarse clock's, nanoseconds; 1: none
	start int64 // milliseconds, Unix, at time 0

	time  int64
	steps int64 // of the last time that was written in steps
	conn  uint64
	slots [slots]slot
	words [maxWords]uint32 // the last event
	// put are the leases of the last question about a connection that was just
	// opened, which are the law's, and of the last other one; set are those of the
	// last answer that has set any, which are mostly the same ones again.
	put [2]leases
	set leases
}

type leases = [abi.Phases]uint32

// slot is what a connection has counted; another one of the same slot
// supplants it.
type slot struct{ conn, in, out uint64 }

func newState(h *Header) state {
	return state{step: max(h.Granularity, 1), start: h.Start / 1e6}
}

// reset begins a frame.
func (s *state) reset() {
	s.time, s.steps, s.conn = 0, 0, 0
	clear(s.slots[:])
	clear(s.words[:])
	clear(s.put[:])
	clear(s.set[:])
}

// slot returns that of the connection.
func (s *state) slot(conn uint64) *slot {
	p := &s.slots[conn%slots]
	if p.conn != conn {
		*p = slot{conn: conn}
	}
	return p
}

// A tag's bits.
const (
	tagKind  = 0x0f
	tagSteps = 0x10 // the time follows, in steps of the coarse clock
	tagNanos = 0x20 // the time follows, in nanoseconds
	tagConn  = 0x40 // the connection follows
	tagFlag  = 0x80 // what it means is the kind's
)
