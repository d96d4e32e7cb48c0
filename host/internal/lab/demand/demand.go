// Package demand reads a recording as what clients wanted, apart from what the
// host that was recorded made of it. Its unit is the lane: one client's use of
// a connection for as long as only the host has ended it in between. A
// connection that the host closed while it was idle, and the next one that the
// same client opens, are one lane.
package demand

import (
	"fmt"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
)

// Config configures a Source. The zero value works.
type Config struct {
	// Lanes is how many lanes that wait for their client are remembered; the
	// one that has waited longest is forgotten. 0: 1<<20.
	Lanes int
	// Tenant, if not empty, is the only one whose connections count.
	Tenant string
}

// Source is a trace.Source whose records have lanes for connections, numbered
// from 1 on in the order of their first record. A KindOpen of a lane that there
// is already says that its client has connected again. A KindClose by the host
// (see Cut) leaves the lane as it is; after one by anybody else nothing follows.
// A lane without that one goes on after the end of the recording.
type Source struct {
	src    trace.Source
	tenant string
	only   bool // one tenant
	wanted map[uint32]bool

	lanes   uint64
	open    map[uint64]uint64 // connection to lane
	asked   map[uint64]bool   // connections with a question whose answer has not come
	closed  map[uint64]uint64 // connection to lane, of those of asked that have closed
	waiting waiting
}

// New returns src by lanes.
func New(src trace.Source, cfg Config) *Source {
	if cfg.Lanes <= 0 {
		cfg.Lanes = 1 << 20
	}
	return &Source{
		src: src, tenant: cfg.Tenant, only: cfg.Tenant != "", wanted: map[uint32]bool{},
		open: map[uint64]uint64{}, asked: map[uint64]bool{}, closed: map[uint64]uint64{}, waiting: newWaiting(cfg.Lanes),
	}
}

// longest is how long a recording may last: a replay looks at every connection
// once an hour of its time.
const longest = int64(10 * 365 * 24 * time.Hour)

// Header is that of the recording.
func (s *Source) Header() trace.Header { return s.src.Header() }

// Forgotten is how many lanes were forgotten while they waited.
func (s *Source) Forgotten() int { return s.waiting.forgotten }

// Next is as a trace.Source has it. Records of connections that were not
// opened, or have ended, are left out, but for the answer to the last question
// about one.
func (s *Source) Next(r *trace.Record) error {
	for {
		if err := s.src.Next(r); err != nil {
			return err
		}
		if r.Time < -int64(time.Hour) || r.Time > longest {
			return fmt.Errorf("a %v record is %v after the start of the recording: more than ten years", r.Kind, time.Duration(r.Time))
		}
		r.Since, r.Age = min(max(r.Since, 0), longest), max(r.Age, 0)
		if s.take(r) {
			return nil
		}
	}
}

// take puts the lane into r and reports whether it is wanted.
func (s *Source) take(r *trace.Record) bool {
	switch r.Kind {
	case trace.KindLost:
		return true
	case trace.KindTenant:
		s.wanted[r.Tenant] = !s.only || r.Name == s.tenant
		return s.wanted[r.Tenant]
	case trace.KindPolicy, trace.KindRules:
		return s.wants(r.Tenant)
	case trace.KindOpen:
		return s.takeOpen(r)
	}
	lane, ok := s.open[r.Conn]
	if !ok {
		return r.Kind == trace.KindAnswer && s.takeLast(r)
	}
	switch r.Kind {
	case trace.KindAsk:
		s.asked[r.Conn] = true
	case trace.KindAnswer:
		if r.Answer.Verdict.Role != policy.RoleShadow {
			delete(s.asked, r.Conn)
		}
	case trace.KindClose:
		s.close(r, lane)
	}
	r.Conn = lane
	return true
}

// most is how many closed connections an answer is waited for, which may be
// missing.
const most = 1 << 16

// close says that a connection has closed.
func (s *Source) close(r *trace.Record, lane uint64) {
	delete(s.open, r.Conn)
	if s.asked[r.Conn] && len(s.closed) < most {
		s.closed[r.Conn] = lane
	}
	delete(s.asked, r.Conn)
	if Cut(r) {
		s.waiting.add(lane)
	} else {
		s.waiting.drop(lane)
	}
}

// takeLast takes the answer to the last question about a connection that has
// closed.
func (s *Source) takeLast(r *trace.Record) bool {
	lane, ok := s.closed[r.Conn]
	if !ok || r.Answer.Verdict.Role == policy.RoleShadow {
		return false
	}
	delete(s.closed, r.Conn)
	r.Conn = lane
	return true
}

func (s *Source) wants(tenant uint32) bool { return !s.only || s.wanted[tenant] }

func (s *Source) takeOpen(r *trace.Record) bool {
	if !s.wants(r.Tenant) {
		return false
	}
	if _, twice := s.open[r.Conn]; twice {
		return false
	}
	who := party{client: r.Client, tenant: r.Tenant, side: r.Side}
	lane, back := s.waiting.take(who)
	if !back {
		s.lanes++
		lane = s.lanes
		s.waiting.introduce(lane, who)
	}
	s.open[r.Conn] = lane
	r.Conn = lane
	return true
}

// Cut reports whether a KindClose was the host's doing while nothing was
// under way: a client that wanted the connection has to open another.
func Cut(r *trace.Record) bool {
	switch r.Reason {
	case policy.ReasonPolicy, policy.ReasonClamp, policy.ReasonDefault, policy.ReasonPressure:
		return true
	}
	return false
}
