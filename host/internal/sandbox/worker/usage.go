package worker

import "time"

// usage is what a tenant has taken of a worker lately. It orders the turns: a
// tenant whose questions take next to nothing would otherwise wait for a turn of
// each that takes more, 72 ms where 24 take 3 ms each.
type usage struct {
	cpu  time.Duration // at seen; mostUsage at most
	seen time.Time
}

const (
	// usageRate is what is forgotten in each second: a quarter of what a tenant
	// may take by default.
	usageRate = 5 * time.Millisecond
	// mostUsage is forgotten within four seconds. Whoever takes more in the long
	// run has turns like all others that do.
	mostUsage = 20 * time.Millisecond
	// unknownUsage is that of a tenant of which nothing is known.
	unknownUsage = 2 * time.Millisecond
	// usagesKept is of how many tenants without questions usages are kept, at
	// least.
	usagesKept = 256
)

// at returns what is left of it.
func (u usage) at(now time.Time) time.Duration {
	return max(u.cpu-time.Duration(now.Sub(u.seen).Seconds()*float64(usageRate)), 0)
}

func (u usage) plus(cpu time.Duration, now time.Time) usage {
	return usage{min(u.at(now)+cpu, mostUsage), now}
}
