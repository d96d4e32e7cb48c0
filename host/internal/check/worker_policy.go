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

// workerPolicy is a policy that runs in a worker process. All questions are known
// beforehand, except for what the policy itself leaves in a connection's state: so
// they are sent in batches, and Decide hands out the answers one by one.
type workerPolicy struct {
	*worker.Guest
	ctx         context.Context
	job         *engine.Job // it is a part of
	log         logBuffer
	report      *Report
	questions   []worker.Question // from the next question on
	answers     []worker.Answer   // those of the first of them
	workerEnded bool              // it has ended its worker
	batch       int               // how many go at once at most

	fuel   [abi.KindClose + 1]uint64
	spent  uint64
	failed bool // the last question: the next one finds a new instance
}

func loadInWorker(ctx context.Context, j *engine.Job, in Input, src engine.Source, to *Report) (loadedPolicy, error) {
	a := &workerPolicy{ctx: ctx, job: j, report: to, batch: questionCount()}
	src.Log = a.log.add
	g, err := in.Workers.LoadIn(ctx, j, src, worker.Options{Tenant: in.Tenant, Trial: true})
	if err != nil {
		a.log.writeTo(to)
		return nil, err
	}
	a.Guest, a.spent = g, g.Stats().Load.Fuel
	for q := range questions {
		a.questions = append(a.questions, worker.Question{Ask: *q.ask, Follows: !q.opens})
	}
	return a, nil
}

func (a *workerPolicy) firstInstance() (engine.Profile, uint64) {
	l := a.Stats().Load
	return l.Profile, l.MemoryBytes
}

// Decide implements askable.
func (a *workerPolicy) Decide(ask *policy.Ask) (policy.Verdict, policy.Fault, error) {
	if len(a.answers) == 0 && !a.workerEnded {
		if err := a.askBatch(ask); err != nil {
			return policy.Verdict{}, policy.FaultNotLoaded, err
		}
	}
	var x worker.Answer
	if len(a.answers) > 0 {
		x, a.answers = a.answers[0], a.answers[1:]
	}
	a.questions = a.questions[1:]
	if a.workerEnded && (x.Fault == policy.FaultNone || x.Fault.Passes()) {
		return policy.Verdict{}, policy.FaultNotLoaded, errNoAnswer
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

// askBatch gets answers to the next questions, up to the first that the policy
// fails at. It gives the turn to other owners meanwhile.
func (a *workerPolicy) askBatch(ask *policy.Ask) (err error) {
	qs := slices.Clone(a.questions[:a.batchSize()])
	qs[0] = worker.Question{Ask: *ask}
	before := a.Stats().CPU
	lost := a.job.Without(func() {
		a.answers, err = a.AskAll(a.ctx, qs)
		if a.answers != nil {
			a.Learned() // what it has said, and why it failed, is there then
		}
	})
	a.job.Elsewhere(a.Stats().CPU - before)
	if a.workerEnded = errors.Is(err, worker.ErrSpoiled); a.workerEnded {
		err = nil
	}
	first := slices.IndexFunc(a.answers, func(x worker.Answer) bool { return x.Fault != policy.FaultNone })
	if a.batch *= 8; first >= 0 {
		a.batch = 1 // it may fail at the next one, too
	}
	if first >= 0 && !a.workerEnded {
		a.answers = a.answers[:first+1]
	}
	return errors.Join(lost, err)
}

// batchSize returns how many questions to send at once. Only the last of them can
// exceed the fuel or the time of a check, so a check takes at most one question more
// than it may.
func (a *workerPolicy) batchSize() int {
	f := &a.report.Fuel
	fuel := 1 + (f.TotalBudget-min(a.spent, f.TotalBudget))/uint64(callsOfQuestion*f.Accept.Budget)
	left := 1 + max(maxTime-a.job.Used(), 0)/worker.QuestionTime
	return min(len(a.questions), a.batch, int(fuel), int(left))
}

// Fuel implements askable.
func (a *workerPolicy) Fuel(kind abi.Kind) uint64 { return a.fuel[kind] }

// Spent implements askable.
func (a *workerPolicy) Spent() uint64 { return a.spent }

// Close ends the policy, and puts its log into the report.
func (a *workerPolicy) Close() error {
	a.log.writeTo(a.report)
	return a.Guest.Close()
}

// logBuffer collects the log lines of a policy in a worker. Another goroutine adds
// them.
type logBuffer struct {
	mu   sync.Mutex // guards the following
	list []logLine
}

type logLine struct {
	level int
	text  string
}

func (l *logBuffer) add(_ string, level int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, logLine{level, text})
}

// writeTo puts the lines into a report.
func (l *logBuffer) writeTo(r *Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.list {
		r.addLog("", x.level, x.text)
	}
}
