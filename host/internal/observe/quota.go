package observe

import (
	"cmp"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// quotas are the tenants' shares of the log. Lines of different tenants do not
// wait for one another: they share a read lock of the table only.
type quotas struct {
	mu      sync.RWMutex        // guards the following fields
	shared  lineRate            // of tenants without a rate of their own
	own     map[string]lineRate // of those that have one
	tenants map[string]*quota
	sweepAt int // how many tenants are too many to keep those that are quiet
}

// quota is one tenant's share of the log.
type quota struct {
	mu         sync.Mutex // guards the following fields
	limiter    *rate.Limiter
	suppressed uint64    // lines left out since the last report
	told       time.Time // when that was
}

// toldEvery is how often a tenant's suppressed lines are reported at most: one
// report for each written line would double the log.
const toldEvery = time.Second

// minSweep is below how many tenants none is looked over.
const minSweep = 1024

func newQuotas() *quotas {
	return &quotas{own: map[string]lineRate{}, tenants: map[string]*quota{}, sweepAt: minSweep}
}

// lineRate is how many lines a second may be written, and how many at once.
type lineRate struct {
	perSecond rate.Limit
	burst     int
}

// newLineRate returns a rate; perSecond 0: any number, burst 0: as many as
// perSecond.
func newLineRate(perSecond, burst int) lineRate {
	if perSecond <= 0 {
		return lineRate{rate.Inf, 0}
	}
	return lineRate{rate.Limit(perSecond), cmp.Or(max(burst, 0), perSecond)}
}

func (r lineRate) limiter() *rate.Limiter { return rate.NewLimiter(r.perSecond, r.burst) }

// take reports whether a tenant may write a line. suppressed is how many of its
// lines were left out and not reported yet; 0 where it is too early to report.
func (q *quotas) take(tenant string, now time.Time) (suppressed uint64, ok bool) {
	t := q.of(tenant, now)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.limiter.AllowN(now, 1) {
		t.suppressed++
		return 0, false
	}
	if t.suppressed == 0 || now.Sub(t.told) < toldEvery {
		return 0, true
	}
	suppressed, t.suppressed, t.told = t.suppressed, 0, now
	return suppressed, true
}

// suppressed returns how many lines were left out and not reported yet, by
// tenant, and counts them as reported.
func (q *quotas) suppressed() map[string]uint64 {
	q.mu.RLock()
	defer q.mu.RUnlock()
	left := map[string]uint64{}
	for tenant, t := range q.tenants {
		t.mu.Lock()
		if t.suppressed > 0 {
			left[tenant], t.suppressed = t.suppressed, 0
		}
		t.mu.Unlock()
	}
	return left
}

func (t *quota) set(r lineRate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limiter = r.limiter()
}

// setRate changes the rate of those that have none of their own.
func (q *quotas) setRate(r lineRate) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shared = r
	for name, t := range q.tenants {
		if _, own := q.own[name]; !own {
			t.set(r)
		}
	}
}

// setOwn gives a tenant a rate of its own; one of 0 takes it away.
func (q *quotas) setOwn(tenant string, r lineRate) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before, own := q.own[tenant]
	switch {
	case r.perSecond != rate.Inf && before == r, r.perSecond == rate.Inf && !own:
		return
	case r.perSecond != rate.Inf:
		q.own[tenant] = r
	default:
		delete(q.own, tenant)
		r = q.shared
	}
	if t := q.tenants[tenant]; t != nil {
		t.set(r)
	}
}

// of returns a tenant's quota.
func (q *quotas) of(tenant string, now time.Time) *quota {
	q.mu.RLock()
	t := q.tenants[tenant]
	q.mu.RUnlock()
	if t != nil {
		return t
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if t := q.tenants[tenant]; t != nil {
		return t
	}
	if len(q.tenants) >= q.sweepAt {
		q.sweepLocked(now)
	}
	r, own := q.own[tenant]
	if !own {
		r = q.shared
	}
	t = &quota{limiter: r.limiter()}
	q.tenants[tenant] = t
	return t
}

// sweepLocked lets go of those that a new one would be like. It costs what has
// been added since the last time.
func (q *quotas) sweepLocked(now time.Time) {
	for name, t := range q.tenants {
		t.mu.Lock()
		idle := t.suppressed == 0 && t.limiter.TokensAt(now) >= float64(t.limiter.Burst())
		t.mu.Unlock()
		if idle {
			delete(q.tenants, name)
		}
	}
	q.sweepAt = max(minSweep, 2*len(q.tenants))
}

func (q *quotas) forget(tenant string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.own, tenant)
	delete(q.tenants, tenant)
}
