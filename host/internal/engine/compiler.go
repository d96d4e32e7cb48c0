package engine

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/policy"
)

// Compiler compiles modules elsewhere, so that what goes wrong with it goes
// wrong there.
type Compiler interface {
	// Dir is the folder of wazero's cache in which the code lies, and where
	// nobody else may write. "": there is none, the engine compiles.
	Dir() string
	// Compile returns once Dir holds the code of wasm, or it may be compiled
	// in this process. owner names who has it compiled, "" the operator.
	// effort is what the gate expects it to cost (gate.Module.Effort). release
	// is called when it has been loaded. cpu is the processor time that it took
	// elsewhere, beside an error too. Where ctx ends first, so does the work. An
	// error that has a method Cause() of type policy.Fault says what it stands
	// for: FaultRefused, FaultCompile, or FaultBusy, which has nothing to do
	// with the module. Any other is FaultCompile.
	Compile(ctx context.Context, owner string, wasm []byte, effort uint64) (release func(), cpu time.Duration, err error)
}

// newCache returns the compiled code that runtimes share.
func newCache(c Compiler) (wazero.CompilationCache, error) {
	if c == nil || c.Dir() == "" {
		return wazero.NewCompilationCache(), nil
	}
	return wazero.NewCompilationCacheWithDir(c.Dir())
}

// runCompiler has the metered module compiled, if somebody is there to do it.
func (a *admission) runCompiler() (release func(), err error) {
	j := a.job
	c := j.engine.cfg.Compiler
	if c == nil {
		return func() {}, nil
	}
	lost := j.without(func() {
		var cpu time.Duration
		release, cpu, err = c.Compile(j.ctx, j.source.Quota.name(), a.linked.wasm, a.module.Effort())
		j.apart += cpu
	})
	if err == nil && lost != nil {
		release()
		return nil, lost
	}
	var known interface{ Cause() policy.Fault }
	if errors.As(err, &known) {
		err = &FaultError{Policy: j.source.Name, Step: "compile", Fault: known.Cause(), Err: err}
	}
	return release, err
}
