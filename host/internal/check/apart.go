package check

import (
	"context"
	"errors"
	"slices"
	"sync"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker"
	"idlehost/sdk/abi"
)

// apart is a policy in a worker. What is to be asked is known beforehand, but for
// what the policy itself leaves in a connection's state: so many questions go
// there at once, and the answers are told as they are asked for.
type apart struct {
	*worker.Guest
	ctx   context.Context
	job   *engine.Job // it is a part of
	said  lines
	to    *Report
	story []worker.Question // from the next question on
	there []worker.Answer   // those of the first of them
	ended bool              // it has ended its worker
	size  int               // how many go at once at most

	fuel   [abi.KindClose + 1]uint64
	spent  uint64
	failed bool // the last question: the next one finds a new instance
}

func loadApart(ctx context.Context, j *engine.Job, in Input, src engine.Source, to *Report) (loaded, error) {
	a := &apart{ctx: ctx, job: j, to: to, size: questions()}
	src.Log = a.said.hear
	g, err := in.Workers.LoadIn(ctx, j, src, worker.Options{Tenant: in.Tenant, Trial: true})
	if err != nil {
		a.said.tell(to)
		return nil, err
	}
	a.Guest, a.spent = g, g.Stats().Load.Fuel
	for q := range story {
		a.story = append(a.story, worker.Question{Ask: *q.ask, Follows: !q.opens})
	}
	return a, nil
}

func (a *apart) told() (engine.Profile, uint64) {
	l := a.Stats().Load
	return l.Profile, l.MemoryBytes
}

// Decide implements asker.
func (a *apart) Decide(ask *policy.Ask) (policy.Verdict, policy.Fault, error) {
	if len(a.there) == 0 && !a.ended {
		if err := a.fetch(ask); err != nil {
			return policy.Verdict{}, policy.FaultNotLoaded, err
		}
	}
	var x worker.Answer
	if len(a.there) > 0 {
		x, a.there = a.there[0], a.there[1:]
	}
	a.story = a.story[1:]
	if a.ended && (x.Fault == policy.FaultNone || x.Fault.Passes()) {
		return policy.Verdict{}, policy.FaultNotLoaded, errUntold
	}
	a.fuel[ask.Event.Kind] += x.Hook
	a.spent += x.Fuel
	if a.failed {
		a.spent += instanceFuel
	}
	if a.failed = x.Fault != policy.FaultNone; !a.failed {
		ask.Event.State, ask.Event.Leases = x.State, x.Leases
	}
	return x.Verdict, x.Fault, nil
}

// fetch has the next questions answered, up to the first that the policy fails at.
// Others have the turn meanwhile.
func (a *apart) fetch(ask *policy.Ask) (err error) {
	qs := slices.Clone(a.story[:a.many()])
	qs[0] = worker.Question{Ask: *ask}
	before := a.Stats().CPU
	lost := a.job.Without(func() {
		a.there, err = a.AskAll(a.ctx, qs)
		if a.there != nil {
			a.Learned() // what it has said, and why it failed, is there then
		}
	})
	a.job.Elsewhere(a.Stats().CPU - before)
	if a.ended = errors.Is(err, worker.ErrSpoiled); a.ended {
		err = nil
	}
	first := slices.IndexFunc(a.there, func(x worker.Answer) bool { return x.Fault != policy.FaultNone })
	if a.size *= 8; first >= 0 {
		a.size = 1 // it may fail at the next one, too
	}
	if first >= 0 && !a.ended {
		a.there = a.there[:first+1]
	}
	return errors.Join(lost, err)
}

// many says how many questions go at once. The last of them is the first that can
// be too much, so that a check takes no more than one question beyond what it may.
func (a *apart) many() int {
	f := &a.to.Fuel
	fuel := 1 + (f.TotalBudget-min(a.spent, f.TotalBudget))/uint64(callsOfQuestion*f.Accept.Budget)
	left := 1 + max(maxTime-a.job.Used(), 0)/worker.QuestionTime
	return min(len(a.story), a.size, int(fuel), int(left))
}

// Fuel implements asker.
func (a *apart) Fuel(kind abi.Kind) uint64 { return a.fuel[kind] }

// Spent implements asker.
func (a *apart) Spent() uint64 { return a.spent }

// Close ends the policy, and puts what it has said into the report.
func (a *apart) Close() error {
	a.said.tell(a.to)
	return a.Guest.Close()
}

// lines are what a policy in a worker says, which another goroutine hears.
type lines struct {
	mu   sync.Mutex // guards the following
	list []line
}

type line struct {
	level int
	text  string
}

func (l *lines) hear(_ string, level int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, line{level, text})
}

// tell puts them into a report.
func (l *lines) tell(r *Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.list {
		r.hear("", x.level, x.text)
	}
}
