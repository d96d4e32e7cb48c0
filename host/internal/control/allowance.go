package control

import (
	"sync"
	"time"
)

// allowances count, for each tenant, what it may still write into the audit
// log: burst entries at once, and one more each every.
type allowances struct {
	burst float64
	every time.Duration

	mu sync.Mutex // guards the following
	by map[string]*allowance
}

type allowance struct {
	left    float64
	at      time.Time // when left was so
	skipped int       // entries since the last that was noted
}

// allowanceTenants bounds how many tenants are remembered.
const allowanceTenants = 4096

// note reports whether an entry may be written, which is one less then, and how
// many were not.
func (r *allowances) note(tenant string, now time.Time) (skipped int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.ofLocked(tenant, now)
	if a.left < 1 {
		a.skipped++
		return 0, false
	}
	skipped, a.skipped = a.skipped, 0
	a.left--
	return skipped, true
}

// wait returns how long it is until note allows an entry; 0: it would now.
func (r *allowances) wait(tenant string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.ofLocked(tenant, now); a.left < 1 {
		return time.Duration((1-a.left)*float64(r.every)) + 1
	}
	return 0
}

func (r *allowances) ofLocked(tenant string, now time.Time) *allowance {
	a := r.by[tenant]
	if a == nil {
		r.makeRoomLocked(now)
		a = &allowance{left: r.burst, at: now}
		r.by[tenant] = a
	}
	r.earn(a, now)
	return a
}

// makeRoomLocked forgets those who could write a whole burst anyway; where
// that is nobody, everybody.
func (r *allowances) makeRoomLocked(now time.Time) {
	if r.by == nil {
		r.by = map[string]*allowance{}
	}
	if len(r.by) < allowanceTenants {
		return
	}
	for name, a := range r.by {
		if r.earn(a, now); a.left == r.burst {
			delete(r.by, name)
		}
	}
	if len(r.by) >= allowanceTenants {
		clear(r.by)
	}
}

func (r *allowances) forget(tenant string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, tenant)
}

func (r *allowances) earn(a *allowance, now time.Time) {
	if d := now.Sub(a.at); d > 0 {
		a.left = min(r.burst, a.left+float64(d)/float64(r.every))
		a.at = now
	}
}
