package observe

import (
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// Both tells two observers what happens, the first one first.
type Both [2]idle.Observer

// Asked passes it on.
func (b Both) Asked(a *idle.Account, ask *policy.Ask, v policy.Verdict, took time.Duration) {
	for _, o := range b {
		o.Asked(a, ask, v, took)
	}
}

// Reused passes it on.
func (b Both) Reused(a *idle.Account, gap time.Duration) {
	for _, o := range b {
		o.Reused(a, gap)
	}
}

// Late passes it on.
func (b Both) Late(a *idle.Account, client uint64, after time.Duration, lost bool) {
	for _, o := range b {
		o.Late(a, client, after, lost)
	}
}

// Returned passes it on.
func (b Both) Returned(a *idle.Account, client uint64, after time.Duration) {
	for _, o := range b {
		o.Returned(a, client, after)
	}
}

// Ended passes it on.
func (b Both) Ended(e *idle.End) {
	for _, o := range b {
		o.Ended(e)
	}
}

var _ idle.Observer = Both{}
