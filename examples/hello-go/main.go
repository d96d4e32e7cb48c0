// Command hello-go is the smallest policy in Go: a quiet connection may stay
// for five seconds, or for a minute once it has carried ten requests.
package main

import (
	"time"

	policy "idlehost/sdk/go"
)

type hello struct{}

func (hello) Accept(e *policy.Event) policy.Verdict {
	e.SetLease(policy.PhaseIdle, 5*time.Second)
	return policy.Default()
}

func (hello) Timeout(e *policy.Event) policy.Verdict {
	if e.In(policy.PhaseIdle) && e.Requests >= 10 && e.Idle() < time.Minute {
		return policy.Extend(time.Minute - e.Idle())
	}
	return policy.Default()
}

func init() { policy.Register(hello{}) }

func main() {}
