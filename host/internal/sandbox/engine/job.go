package engine

import (
	"context"
	"errors"
	"runtime"
	"time"

	"idlehost/host/internal/fair"
)

// Job is work that the engine does for the owner of a Source. Of an owner's jobs one
// runs at a time; jobs of several owners take turns at the processors. The owner
// pays for the processor time of its job, even if the job fails. Only the goroutine
// that calls Do uses a Job.
type Job struct {
	engine    *Engine
	source    Source
	inspected *Inspection // by Inspect; nil: not yet
	caller    context.Context
	ctx       context.Context // ends with caller, and with the engine

	turn          *fair.Turn
	stopwatch     stopwatch     // runs while there is a turn
	spent         time.Duration // processor time of the turns that have ended
	remoteCPU     time.Duration // processor time that other processes took
	turnRemoteCPU time.Duration // the same, for what the job did there in this turn
}

// turnTime is the processor time after which a job yields to owners that have had
// less.
const turnTime = 5 * time.Millisecond

// Do waits for the owner's other jobs and for the owner's turn, and calls work. ctx
// bounds the waiting, that for the Compiler included, and ends the job at its next
// Yield. The error is that of ctx, ErrClosed, the one of work, or a *FaultError: if
// the owner's Quota is used up, FaultRate with a *LoadRateError in the chain; if too
// many of its jobs wait already, FaultBusy.
func (e *Engine) Do(ctx context.Context, src Source, work func(*Job) error) error {
	working, end, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	j := &Job{engine: e, source: src, caller: ctx, ctx: working}
	if err := src.Quota.enter(working); err != nil {
		return j.ended(overQuota(src.Name, err))
	}
	defer func() { src.Quota.leave(j.spent + j.remoteCPU) }()
	if err := j.begin(); err != nil {
		return j.ended(err)
	}
	defer j.pause()
	return j.ended(work(j))
}

// begin waits for a turn.
func (j *Job) begin() (err error) {
	j.turn, err = j.engine.cfg.Turns.Enter(j.ctx, j.source.Quota.name(), 0)
	if err == nil {
		j.stopwatch = startStopwatch(j.engine.clock)
	}
	return err
}

// pause ends the turn, if there is one.
func (j *Job) pause() {
	if !j.stopwatch.runs() {
		return
	}
	took := j.stopwatch.stop() + j.turnRemoteCPU
	j.turnRemoteCPU = 0
	j.spent += took
	j.turn.Leave(took)
}

// Elsewhere adds processor time that another process has taken for the job in this
// turn. It counts like that of this process.
func (j *Job) Elsewhere(cpu time.Duration) { j.turnRemoteCPU += max(cpu, 0) }

// Without ends the turn, calls wait, which needs no processor of this process, and
// waits for a new turn. The error is that of the context; the job has no turn then.
func (j *Job) Without(wait func()) error {
	j.pause()
	wait()
	return j.begin()
}

// Yield is called between the steps of a job, which cannot be interrupted. It lets
// another owner go first whose turn is due, and fails if the job must end.
func (j *Job) Yield() (err error) {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	took := j.stopwatch.took() + j.turnRemoteCPU
	if took < turnTime {
		runtime.Gosched() // a guest keeps its processor from everybody for as long as it runs
		return nil
	}
	j.stopwatch.stop()
	j.spent += took
	j.turnRemoteCPU = 0
	if j.turn, err = j.turn.Pass(j.ctx, took); err == nil {
		j.stopwatch = startStopwatch(j.engine.clock)
	}
	return err
}

// Used returns the processor time that the job has taken in this process and in
// others (Elsewhere).
func (j *Job) Used() time.Duration { return j.spent + j.stopwatch.took() + j.turnRemoteCPU }

// ended returns why a job ended: its caller, the engine's Close, or its own error.
func (j *Job) ended(err error) error {
	switch why := j.ctx.Err(); {
	case why == nil || !errors.Is(err, why):
		return err
	case j.caller.Err() != nil:
		return j.caller.Err()
	}
	return ErrClosed
}

// Load makes a policy of the source: Engine.Load.
func (j *Job) Load() (*Policy, error) {
	a := &policyLoad{job: j, callCtx: newCallContext()}
	return a.load(loadSteps())
}
