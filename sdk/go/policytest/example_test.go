package policytest_test

import (
	"fmt"
	"time"

	policy "idlehost/sdk/go"
	"idlehost/sdk/go/policytest"
)

// short closes after five seconds.
type short struct{}

func (short) Accept(e *policy.Event) policy.Verdict {
	e.SetLease(policy.PhaseIdle, 5*time.Second)
	return policy.Default()
}

func (short) Timeout(*policy.Event) policy.Verdict { return policy.Close() }

// A client makes a request, another one three seconds later, and a last one after
// a minute, for which it has to connect again.
func ExampleHost_Visit() {
	h := &policytest.Host{Policy: short{}}
	r := h.Visit(policytest.Visit{Client: 1, Gaps: []time.Duration{3 * time.Second, time.Minute}})
	fmt.Println(r.Requests, "requests,", r.Reconnects, "reconnect, closed at", r.Cuts)
	// Output: 3 requests, 1 reconnect, closed at [5s 5s]
}

// A visit costs the time for which an idle connection was held, and for each
// reconnect what that is worth.
func ExampleReport_Cost() {
	h := &policytest.Host{Policy: short{}}
	r := h.Visit(policytest.Visit{Client: 1, Gaps: []time.Duration{time.Minute}, Leaves: time.Second})
	fmt.Println("held", r.Held, "in all", r.Cost(time.Minute))
	// Output: held 6s in all 1m6s
}

// An event is that of a plain connection; a test changes what it is about.
func ExampleNewEvent() {
	e := policytest.NewEvent(policy.PhaseTunnel, 90*time.Second)
	e.Requests = 1
	fmt.Println(e.In(policy.PhaseTunnel), e.Idle(), short{}.Timeout(e).Action)
	// Output: true 1m30s close
}
