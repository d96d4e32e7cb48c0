package engine

import "idlehost/host/internal/policy"

// State is the learned state of a guest, as in its memory.
type State = policy.State

// MaxState is the largest State, in bytes.
const MaxState = 64 << 10

// fits reports whether s may be put in the place of a region.
func fits(s State, format uint64, size uint32) bool {
	return len(s.Bytes) > 0 && s.Format == format && len(s.Bytes) == int(size)
}

// snapshot decides when the host copies the learned state of a living instance, so
// that a trap loses little: at most once a second of event time, and at most about
// 1 KiB a question on average.
type snapshot struct {
	takenMs uint64
	asks    uint32 // since then
}

const snapshotMs = 1000

// due counts a question, and reports whether a copy of size bytes is due.
func (s *snapshot) due(now uint64, size uint32) bool {
	s.asks++
	if now-s.takenMs < snapshotMs || s.asks <= size>>10 {
		return false
	}
	*s = snapshot{takenMs: now}
	return true
}

// gapsKey identifies the content of a histogram. A tenant has one set of books for
// its clients and one for its upstreams; each counts its own generations.
type gapsKey struct {
	set                     bool
	side                    uint8
	generation, route, unit uint32
}

func keyOf(q *policy.Ask) gapsKey {
	g := q.Gaps
	return gapsKey{set: true, side: q.Event.Side, generation: g.Generation, route: g.Route, unit: g.Unit}
}
