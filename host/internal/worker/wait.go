package worker

import (
	"context"
	"sync"

	"idlehost/host/internal/policy"
)

// answered waits for one answer.
type answered struct {
	ask   *policy.Ask // gets what the guest has left in the event
	v     policy.Verdict
	fault policy.Fault
	done  chan struct{}

	mu   sync.Mutex // guards the following
	gone bool       // nobody waits any more
}

// Wait puts a question as Ask does, and waits for the answer: for those who have
// a goroutine to spare. The error is that of ctx.
func (g *Guest) Wait(ctx context.Context, ask *policy.Ask) (policy.Verdict, policy.Fault, error) {
	a := &answered{ask: ask, done: make(chan struct{})}
	g.Ask(ask, a)
	select {
	case <-a.done:
		return a.v, a.fault, nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	return policy.Verdict{}, policy.FaultNotLoaded, ctx.Err()
}

// Answered implements Answerer.
func (a *answered) Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return
	}
	a.ask.Event = ask.Event
	a.v, a.fault = v, fault
	close(a.done)
}
