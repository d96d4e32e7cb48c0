package tenant

import (
	"sync/atomic"
	"time"

	"idlehost/host/internal/policy"
)

// resident is a version that a tenant has in some role, or in several.
type resident struct {
	version Version

	wantsClose atomic.Bool          // what its guest said last
	loss       atomic.Pointer[loss] // nil: it is not known to fail
	coldMs     atomic.Uint64        // event time of the first question that no guest was there for; 0: none

	// Tenant.mu guards the following fields.
	loaded   *loadedGuest // nil: no guest lives
	gone     bool         // it has no role any more
	loading  *loading
	failures int          // loads since the last good one
	kept     policy.State // of its last guest, where no States would have it
	legacy   policy.State // of the active guest that it came after, until it is loaded
	ancestor string       // digest of that
}

// loss is why a version could not be loaded.
type loss struct {
	fault policy.Fault
	text  string
	retry time.Time // when it may be tried again
}

const (
	retryFirst = time.Second
	retryLast  = 5 * time.Minute
)

// loseLocked notes that a load has failed. Each time it is longer until the
// next. Tenant.mu is held.
func (r *resident) loseLocked(fault policy.Fault, text string) {
	if fault == policy.FaultNone || int(fault) >= faults {
		fault = policy.FaultNotLoaded
	}
	wait := min(retryFirst<<min(r.failures, 16), retryLast)
	r.failures++
	r.loss.Store(&loss{fault: fault, text: text, retry: time.Now().Add(wait)})
}

// settleLocked gives the resident its guest. Tenant.mu is held.
func (r *resident) settleLocked(s *loadedGuest) {
	r.loaded = s
	r.wantsClose.Store(s.wantsClose)
	r.loss.Store(nil)
	r.coldMs.Store(0)
	r.failures, r.kept, r.legacy = 0, policy.State{}, policy.State{}
}

// mayLoad reports whether a load may be tried now, as far as failures go.
func (r *resident) mayLoad() bool {
	l := r.loss.Load()
	return l == nil || !time.Now().Before(l.retry)
}
