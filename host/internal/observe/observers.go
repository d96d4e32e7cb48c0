package observe

import (
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// Observers tells each what happens, in their order.
type Observers []idle.Observer

// Asked passes it on.
func (os Observers) Asked(a *idle.Account, ask *policy.Ask, v policy.Verdict, took time.Duration) {
	for _, o := range os {
		o.Asked(a, ask, v, took)
	}
}

// Reused passes it on.
func (os Observers) Reused(a *idle.Account, gap time.Duration) {
	for _, o := range os {
		o.Reused(a, gap)
	}
}

// Late passes it on.
func (os Observers) Late(a *idle.Account, client uint64, after time.Duration, lost bool) {
	for _, o := range os {
		o.Late(a, client, after, lost)
	}
}

// Returned passes it on.
func (os Observers) Returned(a *idle.Account, client uint64, after time.Duration) {
	for _, o := range os {
		o.Returned(a, client, after)
	}
}

// Ended passes it on.
func (os Observers) Ended(e *idle.End) {
	for _, o := range os {
		o.Ended(e)
	}
}

var _ idle.Observer = Observers{}
