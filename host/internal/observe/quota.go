package observe

import "time"

// quotas are the tenants' shares of the log.
type quotas struct {
	rate    bucket            // the model of a tenant without a rate of its own
	own     map[string]bucket // the models of those that have one
	tenants map[string]*quota
	sweepAt int // how many tenants are too many to keep those that are quiet
}

// quota is one tenant's share of the log.
type quota struct {
	bucket     bucket
	suppressed uint64 // since the last line
}

// minSweep is below how many tenants none is looked over.
const minSweep = 1024

func newQuotas() quotas {
	return quotas{own: map[string]bucket{}, tenants: map[string]*quota{}, sweepAt: minSweep}
}

// model returns the bucket of a rate a second, and of as many at once; burst
// 0: as many as rate.
func model(rate, burst int) bucket {
	if burst < 1 {
		burst = max(rate, 1)
	}
	return bucket{rate: float64(rate), burst: float64(burst)}
}

// setRate changes the rate of those that have none of their own.
func (q *quotas) setRate(b bucket) {
	q.rate = b
	for name, t := range q.tenants {
		if _, own := q.own[name]; !own {
			t.bucket = b
		}
	}
}

// setOwn gives a tenant a rate of its own; one of 0 takes it away.
func (q *quotas) setOwn(tenant string, b bucket) {
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
		t.bucket = b
	}
}

// of returns a tenant's quota.
func (q *quotas) of(tenant string, now time.Time) *quota {
	if t := q.tenants[tenant]; t != nil {
		return t
	}
	if len(q.tenants) >= q.sweepAt {
		q.sweep(now)
	}
	b, own := q.own[tenant]
	if !own {
		b = q.rate
	}
	t := &quota{bucket: b}
	q.tenants[tenant] = t
	return t
}

// sweep lets go of those that a new one would be like. It costs what has been
// added since the last time.
func (q *quotas) sweep(now time.Time) {
	for name, t := range q.tenants {
		if t.suppressed == 0 && t.bucket.full(now) {
			delete(q.tenants, name)
		}
	}
	q.sweepAt = max(minSweep, 2*len(q.tenants))
}

func (q *quotas) forget(tenant string) {
	delete(q.own, tenant)
	delete(q.tenants, tenant)
}
