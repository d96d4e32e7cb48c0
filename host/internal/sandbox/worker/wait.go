package worker

import (
	"context"
	"errors"
	"sync/atomic"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/worker/child"
	"idlehost/sdk/abi"
)

// Question is one of several that are asked one after another.
type Question struct {
	policy.Ask
	// Follows: the event has State and Leases that the question before it has left,
	// whatever stands there.
	Follows bool
}

// Answer is what became of a Question.
type Answer struct {
	Verdict policy.Verdict
	Fault   policy.Fault
	State   [abi.StateSize]uint8 // that the guest has left; beside a fault, nothing
	Leases  [abi.Phases]uint32   // the same
	Fuel    uint64               // in all
	Hook    uint64               // of the hook alone

	all *group
}

// group is who waits for several questions.
type group struct {
	open atomic.Int64
	done chan struct{} // closed when none is open
}

// QuestionTime is the processor time after which a question ends its worker.
const QuestionTime = child.Patience

// What AskAll returns where the worker has ended, and the instance with it.
var (
	ErrLost    = errors.New("the worker has ended, for reasons of others")
	ErrSpoiled = errors.New("the policy has ended its worker")
)

// AskAll puts the questions of a check to a trial guest, to which nobody else puts
// any, in their order, and waits for the answers. It ends at the first that the
// guest fails at: those behind it have FaultBusy, and were not asked. Beside ErrLost and
// ErrSpoiled some answers are FaultNotLoaded, which went with the worker. Any other
// error is that of ctx.
func (g *Guest) AskAll(ctx context.Context, questions []Question) ([]Answer, error) {
	p := g.pool
	answers := make([]Answer, len(questions))
	all := &group{done: make(chan struct{})}
	all.open.Store(int64(len(questions)))
	qs := make([]*question, len(questions))
	for i := range questions {
		answers[i].all = all
		qs[i] = p.newQuestion(g, &questions[i].Ask, &answers[i])
		qs[i].follows, qs[i].answer = questions[i].Follows, &answers[i]
	}
	p.mu.Lock()
	for i, q := range qs {
		g.askLocked(q, &questions[i].Ask)
	}
	p.mu.Unlock()
	select {
	case <-all.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case g.spoiled:
		return answers, ErrSpoiled
	case g.phase != present:
		return answers, ErrLost
	}
	return answers, nil
}

// Answered implements Answerer.
func (a *Answer) Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault) {
	a.Verdict, a.Fault, a.State, a.Leases = v, fault, ask.Event.State, ask.Event.Leases
	if a.all.open.Add(-1) == 0 {
		close(a.all.done)
	}
}

// stopLocked has what is left of a check's questions not asked.
func (g *Guest) stopLocked() {
	g.pool.refuseLocked(append(g.at.queue.remove(g), g.takeWaitingLocked()...), policy.FaultBusy)
}
