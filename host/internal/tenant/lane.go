package tenant

import (
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
)

// lane is a version in a role. It belongs to one plan after another for as
// long as neither changes.
type lane struct {
	role     policy.Role
	resident *resident // nil: the native policy, as active only
	record   record

	// guest is nil where no guest lives. It is set with Tenant.mu held, in a
	// lane of the plan in force.
	guest atomic.Pointer[roleGuest]
}

func newLane(role policy.Role, r *resident) *lane {
	l := &lane{role: role, resident: r}
	l.record.since = time.Now()
	return l
}

// take returns the guest for a question, or with asks 0 for a look, to be
// released; nil if no guest lives.
func (l *lane) take(asks uint64) *roleGuest {
	for {
		g := l.guest.Load()
		if g == nil || g.retain(asks) {
			return g
		}
		// It was taken out and has ended between the two looks.
	}
}

// removeGuest takes the guest out. The caller releases it, without Tenant.mu:
// that may close the guest.
func (l *lane) removeGuest() *roleGuest { return l.guest.Swap(nil) }

// fillLocked lets the lane's guest begin, if there is one and it has not.
// Tenant.mu is held.
func (l *lane) fillLocked() {
	if r := l.resident; r != nil && r.loaded != nil && l.guest.Load() == nil {
		l.guest.Store(newRoleGuest(r.loaded, &l.record))
	}
}

func (l *lane) digest() string {
	if l.resident == nil {
		return ""
	}
	return l.resident.version.Digest
}

// tally reads the faults first: each belongs to a question counted before it.
func (l *lane) tally() tally {
	r := &l.record
	t := tally{closes: r.closes.Load(), early: r.early.Load(), late: r.late.Load()}
	var all uint64
	for i := range r.faults {
		t.faults[i] = r.faults[i].Load()
		all += t.faults[i]
	}
	if s := l.guest.Load(); s != nil {
		t.asks = s.asks()
	}
	t.asks = max(t.asks+r.asks.Load(), all)
	return t
}

// wantsClose reports whether the version, as far as it has lived, wants to be
// told of every end; nil is no lane.
func (l *lane) wantsClose() bool {
	return l != nil && l.resident != nil && l.resident.wantsClose.Load()
}
