// Package check reports what an author and an operator need to know about a policy
// before it serves clients: whether the host accepts it, what the module contains,
// how it answers a set of built-in events, and how much fuel that takes. It uses
// the engine that runs in production.
package check

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker"
)

// Input is the policy to check, and where it runs.
type Input struct {
	Name   string // what messages call it
	Wasm   []byte
	Params map[string]string // as of engine.Source
	// On is the engine that runs the policy, and keeps its code for a while. nil: an
	// engine of the check's own, configured by Engine, whose Log is not used.
	On     *engine.Engine
	Engine engine.Config
	// Workers runs the policy in a worker, as one of Tenant's; On prepares it. nil:
	// the policy runs in this process.
	Workers *worker.Pool
	Tenant  string
	// MemoryPages is as of engine.Source, and so is Quota, which pays for the
	// processor time of all that the check does. The fuel is the check's own: the
	// verdict does not depend on what else the owner runs. 0, nil: none.
	MemoryPages uint32
	Quota       *engine.Quota
}

// Run checks a policy. The same input gets the same report. Faults of the policy
// are in the report (Report.Err); Run's error says that ctx has ended, or that the
// engine is closed.
func Run(ctx context.Context, in Input) (r *Report, err error) {
	sum := sha256.Sum256(in.Wasm)
	r = newReport(in.Name, hex.EncodeToString(sum[:]), len(in.Wasm))
	if in.On != nil {
		return r, r.run(ctx, in.On, in)
	}
	e, err := engine.New(ctx, in.Engine)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return r, r.run(ctx, e, in)
}

// run checks the policy as one job of its owner.
func (r *Report) run(ctx context.Context, e *engine.Engine, in Input) error {
	r.setBudgets(e.Budgets())
	src := engine.Source{
		Name: in.Name, Wasm: in.Wasm, Params: in.Params, MemoryPages: in.MemoryPages,
		Quota: in.Quota, OwnFuel: true, Log: r.addLog,
	}
	load := loadLocally
	if in.Workers != nil {
		load = func(j *engine.Job) (loadedPolicy, error) { return loadInWorker(ctx, j, in, src, r) }
	}
	err := e.Do(ctx, src, func(j *engine.Job) error { return r.inspectAndAsk(j, load) })
	return r.failed(err, OutcomeFaulty)
}

// inspectAndAsk goes as far as the policy lets it.
func (r *Report) inspectAndAsk(j *engine.Job, load func(*engine.Job) (loadedPolicy, error)) error {
	seen, err := j.Inspect()
	if err != nil {
		return r.failed(err, OutcomeRefused)
	}
	r.setModule(seen)
	if err := j.Yield(); err != nil {
		return err
	}
	fresh := *r
	for attempt := 1; ; attempt++ {
		err := r.try(j, load)
		if !errors.Is(err, worker.ErrLost) {
			return err
		}
		if *r = fresh; attempt == attempts {
			return &engine.FaultError{Policy: r.Policy, Step: "worker", Fault: policy.FaultNotLoaded, Err: err}
		}
	}
}

// attempts is how often a policy is loaded, and asked from the first question on,
// if its worker ends for reasons that are not the policy's.
const attempts = 10

// try asks a new instance.
func (r *Report) try(j *engine.Job, load func(*engine.Job) (loadedPolicy, error)) error {
	p, err := load(j)
	if err != nil {
		return r.failed(err, OutcomeFaulty)
	}
	defer p.Close() // its memory; the engine's Close would tell of an error
	r.setProfile(p.firstInstance())
	return r.ask(j, p)
}

// failed puts an error of the policy into the report, and returns any other.
func (r *Report) failed(err error, v Outcome) error {
	var fault *engine.FaultError
	if !errors.As(err, &fault) {
		return err
	}
	r.fail(outcomeOf(fault.Fault, v), err)
	return nil
}

// outcomeOf returns the outcome that follows from a fault: a refused module differs
// from a bad policy. v is for faults that do not decide this.
func outcomeOf(f policy.Fault, v Outcome) Outcome {
	switch f {
	case policy.FaultRefused, policy.FaultCompile:
		return OutcomeRefused
	}
	if f.Passes() {
		return OutcomeUndecided
	}
	return v
}
