package check

import (
	"context"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/plugins"
)

// process is a worker whose batches may be its last.
type process struct {
	worker.Process
	batch func(questions int) (spoiled int) // the question that ends it; -1: none does
	ended int                               // of the question that has, plus one
}

func (p *process) Exchange(qs []*channel.Question, as []channel.Answer, deadline time.Time) error {
	at := p.batch(len(qs))
	if at < 0 {
		return p.Process.Exchange(qs, as, deadline)
	}
	p.ended = at + 1
	p.Kill()
	<-p.Ended()
	return channel.ErrGone
}

func (p *process) Running() (int, bool) { return p.ended - 1, p.ended > 0 && p.ended <= spoils }

func (p *process) Ending() worker.Ending {
	if _, ok := p.Running(); ok {
		return worker.EndQuestion
	}
	return p.Process.Ending()
}

// spoils is the number of questions of a batch; the one behind them is nobody's.
const spoils = 1 << 10

// TestOthersGoOnWhileACheckWaits for its worker: there is one turn, and another's
// whole check fits in.
func TestOthersGoOnWhileACheckWaits(t *testing.T) {
	other := make(chan *Report, 1)
	var e *engine.Engine
	adaptive, _ := plugins.Lookup("adaptive")
	e, p := newWorkers(t, func(p worker.Process) worker.Process {
		return &process{Process: p, batch: func(int) int {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			quota := engine.NewQuota(engine.QuotaConfig{Owner: "other"})
			if r, err := Run(ctx, Input{Name: "other", Wasm: adaptive, On: e, Quota: quota}); err == nil && len(other) == 0 {
				other <- r
			}
			return -1
		}}
	})
	r := run(t, Input{Wasm: adaptive, On: e, Workers: p, Tenant: "a", Quota: engine.NewQuota(engine.QuotaConfig{Owner: "a"})})
	if r.Outcome != OutcomeAccepted || len(other) == 0 {
		t.Errorf("%s, %v; the other is done: %v", r.Outcome, r.Err(), len(other) > 0)
	}
}

// TestCheckOutlivesItsWorkers: where another ends them, it says what it would have
// said; and it does not go on for ever.
func TestCheckOutlivesItsWorkers(t *testing.T) {
	lives, batches := 0, 0
	e, p := newWorkers(t, func(p worker.Process) worker.Process {
		return &process{Process: p, batch: func(int) int {
			if batches++; batches%2 == 0 && lives > 0 { // the second of each worker
				lives--
				return spoils
			}
			return -1
		}}
	})
	in := Input{Name: "counts", Wasm: stateful(), On: e}
	want := jsonText(t, run(t, in))
	in.Workers = p
	lives, batches = attempts-1, 0
	if got := jsonText(t, run(t, in)); got != want || lives != 0 {
		t.Errorf("%d workers are to end; it says\n%s\nand in the host\n%s", lives, got, want)
	}
	lives, batches = attempts, 0
	if r := run(t, in); r.Outcome != OutcomeUndecided || !r.Failure.TryAgain() || len(r.Answers) != 0 {
		t.Errorf("%s, %v", r.Outcome, r.Err())
	}
}

// TestCheckOfWhatEndsItsWorkerIsOver once it has ended a second one; it is refused
// for the question, and put no other.
func TestCheckOfWhatEndsItsWorkerIsOver(t *testing.T) {
	ends := 0
	e, p := newWorkers(t, func(p worker.Process) worker.Process {
		return &process{Process: p, batch: func(n int) int {
			ends++
			return n / 2
		}}
	})
	adaptive, _ := plugins.Lookup("adaptive")
	quota := engine.NewQuota(engine.QuotaConfig{})
	r := run(t, Input{Wasm: adaptive, On: e, Workers: p, Quota: quota})
	f := r.Failure
	if r.Outcome != OutcomeFaulty || f.Cause != policy.FaultTime.String() || f.Event == nil || f.Event.Kind == "" || f.Failed != 1 || f.Asked != 1 || f.Unasked != questionCount()-1 {
		t.Errorf("%s, %+v: want %s of %v at the first of %d questions, and no other asked", r.Outcome, f, OutcomeFaulty, policy.FaultTime, questionCount())
	}
	if ends != 2 || quota.Spent() < 2*worker.QuestionTime {
		t.Errorf("%d workers have ended, %v are paid", ends, quota.Spent())
	}
}
