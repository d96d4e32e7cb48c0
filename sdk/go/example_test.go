package policy_test

import (
	"fmt"
	"time"

	policy "idlehost/sdk/go"
	"idlehost/sdk/go/policytest"
)

// patient holds connections of busy clients for longer.
type patient struct{ hold time.Duration }

func (p *patient) Configure(params map[string]string) (err error) {
	p.hold = time.Minute
	if s, ok := params["hold"]; ok {
		p.hold, err = time.ParseDuration(s)
	}
	return err
}

func (p *patient) Accept(e *policy.Event) policy.Verdict {
	e.SetLease(policy.PhaseIdle, 5*time.Second)
	return policy.Default()
}

func (p *patient) Timeout(e *policy.Event) policy.Verdict {
	if e.In(policy.PhaseIdle) && e.Requests >= 10 && e.Idle() < p.hold {
		return policy.Extend(p.hold - e.Idle())
	}
	return policy.Close().WithReason(1)
}

// A policy is registered in init, and main is empty.
func ExampleRegister() {
	policy.Register(&patient{})
}

// A policy that is a Configurer takes parameters.
func ExampleConfigurer() {
	p := &patient{}
	fmt.Println(p.Configure(map[string]string{"hold": "soon"}))
	fmt.Println(p.Configure(map[string]string{"hold": "2m"}), p.hold)
	// Output:
	// time: invalid duration "soon"
	// <nil> 2m0s
}

// At accept, a policy sets the idle time after which the host asks.
func ExampleEvent_SetLease() {
	e := policytest.NewEvent(policy.PhaseIdle, 0)
	fmt.Println(e.Lease(policy.PhaseIdle))
	e.SetLease(policy.PhaseIdle, 5*time.Second)
	fmt.Println(e.Lease(policy.PhaseIdle))
	// Output:
	// 1m0s
	// 5s
}

// At a timeout, a policy keeps the connection for a while, or closes it.
func ExampleExtend() {
	p := &patient{hold: time.Minute}
	e := policytest.NewEvent(policy.PhaseIdle, 5*time.Second)
	for _, e.Requests = range []uint32{1, 10} {
		v := p.Timeout(e)
		fmt.Println(e.Requests, v.Action, v.Deadline, v.Reason)
	}
	// Output:
	// 1 close 0s 1
	// 10 extend 55s 0
}

// A client that has always come back after 20 seconds is worth waiting for: for
// those, and a little longer.
func ExampleFit_Hold() {
	e := policytest.NewEvent(policy.PhaseIdle, 0)
	for range 8 {
		policytest.AddClientGap(e, 20*time.Second, policy.GapReturned)
	}
	fmt.Println(policy.Fit{Worth: time.Minute}.Hold(e))
	// Output: 20.48s
}
