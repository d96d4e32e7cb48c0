package idle

import (
	"sync"
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Stream watches one request of an HTTP/2 connection, whose content or
// response the connection's own phase says nothing about: the law of phases
// Body and Write applies to it. No policy is asked.
type Stream struct {
	conn   *Conn
	expiry func()
	bytes  atomic.Uint64
	last   atomic.Int64 // coarse

	mu    sync.Mutex // guards the following
	entry entry
	phase policy.Phase
	since int64 // when the phase began
	from  uint64
	done  bool
}

// NewStream watches a request. expire is called once, from the Governor's
// goroutine, when the law is broken; it must not block.
func (c *Conn) NewStream(p policy.Phase, expire func()) *Stream {
	s := &Stream{conn: c, expiry: expire}
	s.entry.Owner = s
	s.SetPhase(p)
	return s
}

// Progress counts n bytes.
func (s *Stream) Progress(n int) {
	s.bytes.Add(uint64(max(n, 0)))
	stamp(&s.last, s.conn.gov.clock)
}

// SetPhase moves to a phase: Body, Upstream (no law applies) or Write, which
// means that a write is under way.
func (s *Stream) SetPhase(p policy.Phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || s.phase == p {
		return
	}
	now := s.conn.gov.clock.stamp()
	s.phase, s.since, s.from = p, now, s.bytes.Load()
	if at := s.dueLocked(); at < never {
		s.conn.shard().scheduleBy(&s.entry, at)
	}
}

// Done ends the watch.
func (s *Stream) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	s.conn.shard().cancel(&s.entry)
}

func (s *Stream) dueLocked() int64 {
	if s.phase != abi.PhaseBody && s.phase != abi.PhaseWrite {
		return never
	}
	law := &s.conn.Account().law.Load().timeouts[s.phase]
	at := int64(never)
	if law.Idle > 0 {
		at = max(s.since, s.last.Load()) + int64(law.Idle)
	}
	if law.MinRate > 0 {
		earned := float64(s.bytes.Load()-s.from) / float64(law.MinRate) * 1e9
		at = min(at, s.since+int64(law.Grace)+int64(earned))
	}
	if law.Max > 0 {
		at = min(at, s.since+int64(law.Max))
	}
	return at
}

func (s *Stream) expire(now int64, _ *question) {
	s.mu.Lock()
	if s.done {
		s.mu.Unlock()
		return
	}
	if at := s.dueLocked(); at > now {
		if at < never {
			s.conn.shard().schedule(&s.entry, at)
		}
		s.mu.Unlock()
		return
	}
	s.done = true
	s.mu.Unlock()
	s.expiry()
}
