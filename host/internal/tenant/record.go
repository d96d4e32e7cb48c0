package tenant

import (
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
)

// faults is the number of causes.
const faults = policy.Faults

// record is what a version has done in its role.
type record struct {
	since  time.Time     // when it took the role
	asks   atomic.Uint64 // of guests that have left the role, and those that no guest was there for
	faults [faults]atomic.Uint64
	last   atomic.Uint32 // the last fault, a policy.Fault
	closes atomic.Uint64
	early  atomic.Uint64
	late   atomic.Uint64
	bursts [faults]burst // of log lines
}

func (r *record) fault(cause policy.Fault) {
	r.faults[cause].Add(1)
	r.last.Store(uint32(cause))
}

// tally is a record at one time.
type tally struct {
	asks, closes, early, late uint64
	faults                    [faults]uint64
}

// minus is what was added since base. While a guest leaves the role, its
// questions are missing for a moment: what comes out is never below 0.
func (t tally) minus(base tally) tally {
	less := func(a, b uint64) uint64 { return a - min(a, b) }
	d := tally{
		asks: less(t.asks, base.asks), closes: less(t.closes, base.closes),
		early: less(t.early, base.early), late: less(t.late, base.late),
	}
	for i := range t.faults {
		d.faults[i] = less(t.faults[i], base.faults[i])
	}
	return d
}
