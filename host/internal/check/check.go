// Package check tells what an author and an operator need to know of a policy
// before it is put in charge: whether the host takes it, what it is made of,
// what it answers to a set of built-in events, and what fuel that takes. The
// engine is the one that runs in production.
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

// Input is what is checked.
type Input struct {
	Name   string // what messages call it
	Wasm   []byte
	Params map[string]string // as of engine.Source
	// On runs it, and has its code at hand for a while. nil: an engine of its
	// own does, with Engine for its configuration but for the Log.
	On     *engine.Engine
	Engine engine.Config
	// Workers run it, if there are any, with On for what is prepared; Tenant is
	// whose it is. nil: it runs in this process.
	Workers *worker.Pool
	Tenant  string
	// MemoryPages is as of engine.Source, and so is Quota, which pays for the
	// processor time of all that the check does. The fuel is the check's own: the
	// verdict does not depend on what else the owner runs. 0, nil: none.
	MemoryPages uint32
	Quota       *engine.Quota
}

// Run checks a policy. The same input gets the same report. What is wrong with
// the policy is in the report, see Report.Err; the error is that ctx has
// ended, or that there is no engine any more.
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
	r.budget(e.Budgets())
	src := engine.Source{
		Name: in.Name, Wasm: in.Wasm, Params: in.Params, MemoryPages: in.MemoryPages,
		Quota: in.Quota, OwnFuel: true, Log: r.hear,
	}
	load := loadHere
	if in.Workers != nil {
		load = func(j *engine.Job) (loaded, error) { return loadApart(ctx, j, in, src, r) }
	}
	err := e.Do(ctx, src, func(j *engine.Job) error { return r.examine(j, load) })
	return r.failed(err, VerdictFaulty)
}

// examine goes as far as the policy lets it.
func (r *Report) examine(j *engine.Job, load func(*engine.Job) (loaded, error)) error {
	seen, err := j.Inspect()
	if err != nil {
		return r.failed(err, VerdictRefused)
	}
	r.inspected(seen)
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

// attempts is how often a policy is loaded and asked from the first question on
// whose worker ends for reasons of others.
const attempts = 10

// try asks a new instance.
func (r *Report) try(j *engine.Job, load func(*engine.Job) (loaded, error)) error {
	p, err := load(j)
	if err != nil {
		return r.failed(err, VerdictFaulty)
	}
	defer p.Close() // its memory; the engine's Close would tell of an error
	r.profile(p.told())
	return r.ask(j, p)
}

// failed puts what is wrong with the policy into the report, and returns what is
// wrong with anything else.
func (r *Report) failed(err error, v Verdict) error {
	var fault *engine.FaultError
	if !errors.As(err, &fault) {
		return err
	}
	r.fail(verdictOf(fault.Fault, v), err)
	return nil
}

// verdictOf tells a module that is no policy from one that is a bad one; v is
// what stands where the fault does not say.
func verdictOf(f policy.Fault, v Verdict) Verdict {
	switch f {
	case policy.FaultRefused, policy.FaultCompile:
		return VerdictRefused
	}
	if f.Passes() {
		return VerdictUndecided
	}
	return v
}
