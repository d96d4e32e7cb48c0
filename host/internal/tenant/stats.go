package tenant

import (
	"time"

	"idlehost/host/internal/policy"
)

// Stats are the records of a tenant's versions.
type Stats struct {
	// Sides are those of active, canary and shadow, as far as there is a
	// version.
	Sides []RoleStats
	// Percent of the clients are the canary's.
	Percent float64
	// Comparison is the shadow's; nil: there is none.
	Comparison *Comparison
}

// RoleStats is what a version has done since it took its role.
type RoleStats struct {
	Role    policy.Role
	Version Version
	Since   time.Time
	Loaded  bool   // a guest lives
	Where   string // what the guest's method Where says; empty: there is none
	Asks    uint64 // questions, answered or not
	// Faults counts, by cause, those not answered.
	Faults [policy.Faults]uint64
	// Closes are idle connections that it ended. Of their clients, Early were
	// back within Config.Worth, Late before the connection's end had reached
	// them, or so soon that it may have been.
	Closes, Early, Late uint64
	// LastFault is the text of the last fault, or of the failed load; empty:
	// there was none.
	LastFault string
}

// Faulted is the sum of Faults.
func (s *RoleStats) Faulted() (n uint64) {
	for _, f := range s.Faults {
		n += f
	}
	return n
}

// Stats returns the records.
func (t *Tenant) Stats() Stats {
	p := t.plan.Load()
	s := Stats{Percent: p.percent}
	for _, l := range []*lane{p.active, p.canary, p.shadow} {
		if l != nil && l.resident != nil {
			s.Sides = append(s.Sides, l.side())
		}
	}
	if p.canary == nil {
		s.Percent = 0
	}
	if p.shadow != nil {
		c := p.beside.compare.now()
		s.Comparison = &c
	}
	return s
}

// Loaded returns in how many roles a guest lives: what Stats says of it, without
// the rest.
func (t *Tenant) Loaded() (n int) {
	p := t.plan.Load()
	for _, l := range [...]*lane{p.active, p.canary, p.shadow} {
		if l != nil && l.guest.Load() != nil {
			n++
		}
	}
	return n
}

func (l *lane) side() RoleStats {
	t := l.tally()
	return RoleStats{
		Role: l.role, Version: l.resident.version, Since: l.record.since, Where: l.where(), Loaded: l.guest.Load() != nil,
		Asks: t.asks, Faults: t.faults, Closes: t.closes, Early: t.early, Late: t.late,
		LastFault: l.lastFault(),
	}
}

// where returns where the guest runs.
func (l *lane) where() string {
	g := l.take(0)
	if g == nil {
		return ""
	}
	defer g.release()
	if w, ok := g.guest.(interface{ Where() string }); ok {
		return w.Where()
	}
	return ""
}

func (l *lane) lastFault() string {
	if lost := l.resident.loss.Load(); lost != nil {
		return lost.fault.String() + ": " + lost.text
	}
	last := policy.Fault(l.record.last.Load())
	if last == policy.FaultNone {
		return ""
	}
	if s := l.take(0); s != nil {
		defer s.release()
		if g, ok := s.guest.(interface{ Err() error }); ok {
			if err := g.Err(); err != nil {
				return last.String() + ": " + err.Error()
			}
		}
	}
	return last.String()
}

// Closed notes that the version in a role has ended an idle connection.
func (t *Tenant) Closed(role policy.Role) {
	if l := t.plan.Load().lane(role); l != nil {
		l.record.closes.Add(1)
	}
}

// Returned notes that a client whose idle connection had been ended came back
// so long after; late: the close is to blame for its trouble. It is put down to
// the version that the client is asked about, unless it was another by then.
func (t *Tenant) Returned(client uint64, after time.Duration, late bool) {
	p := t.plan.Load()
	l := p.active
	if p.canary != nil && p.sides.canary(client) {
		l = p.canary
	}
	if closed := time.Now().Add(-after); closed.Before(l.record.since) || closed.Before(p.since) {
		return
	}
	if after <= time.Duration(t.worth.Load()) {
		l.record.early.Add(1)
	}
	if late {
		l.record.late.Add(1)
	}
}
