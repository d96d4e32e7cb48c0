package observe

import (
	"sync"
	"time"
)

// quotas are the tenants' shares of the log. Lines of different tenants do not
// wait for one another: they share a read lock of the table only.
type quotas struct {
	mu      sync.RWMutex      // guards the following fields
	rate    bucket            // the model of a tenant without a rate of its own
	own     map[string]bucket // the models of those that have one
	tenants map[string]*quota
	sweepAt int // how many tenants are too many to keep those that are quiet
}

// quota is one tenant's share of the log.
type quota struct {
	mu         sync.Mutex // guards the following fields
	bucket     bucket
	suppressed uint64    // lines left out since the last report
	told       time.Time // when that was
}

// toldEvery is how often a tenant's suppressed lines are reported at most: one
// report for each written line would double the log.
const toldEvery = time.Second

// minSweep is below how many tenants none is looked over.
const minSweep = 1024

func newQuotas() *quotas {
	return &quotas{own: map[string]bucket{}, tenants: map[string]*quota{}, sweepAt: minSweep}
}

// model returns the bucket of a rate a second, and of as many at once; burst
// 0: as many as rate.
func model(rate, burst int) bucket {
	if burst < 1 {
		burst = max(rate, 1)
	}
	return bucket{rate: float64(rate), burst: float64(burst)}
}

// take reports whether a tenant may write a line. suppressed is how many of its
// lines were left out and not reported yet; 0 where it is too early to report.
func (q *quotas) take(tenant string, now time.Time) (suppressed uint64, ok bool) {
	t := q.of(tenant, now)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.bucket.take(now) {
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

func (t *quota) set(b bucket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bucket = b
}

// setRate changes the rate of those that have none of their own.
func (q *quotas) setRate(b bucket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rate = b
	for name, t := range q.tenants {
		if _, own := q.own[name]; !own {
			t.set(b)
		}
	}
}

// setOwn gives a tenant a rate of its own; one of 0 takes it away.
func (q *quotas) setOwn(tenant string, b bucket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.rate > 0 {
		if q.own[tenant] == b {
			return
		}
		q.own[tenant] = b
	} else {
		if _, own := q.own[tenant]; !own {
			return
		}
		delete(q.own, tenant)
		b = q.rate
	}
	if t := q.tenants[tenant]; t != nil {
		t.set(b)
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
	b, own := q.own[tenant]
	if !own {
		b = q.rate
	}
	t = &quota{bucket: b}
	q.tenants[tenant] = t
	return t
}

// sweepLocked lets go of those that a new one would be like. It costs what has
// been added since the last time.
func (q *quotas) sweepLocked(now time.Time) {
	for name, t := range q.tenants {
		t.mu.Lock()
		idle := t.suppressed == 0 && t.bucket.full(now)
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
