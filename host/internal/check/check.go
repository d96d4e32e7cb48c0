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

	"idlehost/host/internal/engine"
	"idlehost/host/internal/policy"
)

// Input is what is checked.
type Input struct {
	Name   string // what messages call it
	Wasm   []byte
	Params map[string]string // as of engine.Source
	// Engine is what the host would run it with; its Log is not used.
	Engine engine.Config
	// MemoryPages is as of engine.Source, and so is Quota, which pays for all
	// that the check does. 0, nil: none of their own.
	MemoryPages uint32
	Quota       *engine.Quota
}

// Run checks a policy. The same input gets the same report. What is wrong with
// the policy is in the report, see Report.Err; the error is that ctx has
// ended, or that there is no engine.
func Run(ctx context.Context, in Input) (r *Report, err error) {
	sum := sha256.Sum256(in.Wasm)
	r = newReport(in.Name, hex.EncodeToString(sum[:]), len(in.Wasm))
	in.Engine.Log = r.hear
	e, err := engine.New(ctx, in.Engine)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return r, r.run(ctx, e, in)
}

// run goes as far as the policy lets it.
func (r *Report) run(ctx context.Context, e *engine.Engine, in Input) error {
	r.budget(e.Budgets())
	seen, err := e.Inspect(in.Name, in.Wasm)
	if err != nil {
		r.fail(VerdictRefused, err)
		return nil
	}
	r.inspected(seen)
	p, err := e.Load(ctx, engine.Source{
		Name: in.Name, Wasm: in.Wasm, Params: in.Params, MemoryPages: in.MemoryPages, Quota: in.Quota,
	})
	if err != nil {
		var fault *engine.FaultError
		if !errors.As(err, &fault) {
			return err
		}
		r.fail(verdictOf(fault.Fault), err)
		return nil
	}
	defer p.Close() // its memory; the engine's Close would tell of an error
	r.profile(p.Profile(), p.Stats().MemoryBytes)
	r.ask(p)
	r.conclude()
	return ctx.Err()
}

// verdictOf tells a module that is no policy from one that is a bad one.
func verdictOf(f policy.Fault) Verdict {
	if f == policy.FaultRefused || f == policy.FaultCompile {
		return VerdictRefused
	}
	return VerdictFaulty
}
