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

// outlines reports whether the Compiler's folder holds the code of a module also as
// that of its outline (package outline).
func (j *Job) outlines() bool {
	c, ok := j.engine.cfg.Compiler.(interface{ Outlines() bool })
	return ok && c.Outlines()
}

// newCache returns the compiled code that runtimes share.
func newCache(cfg Config) (wazero.CompilationCache, error) {
	dir := cfg.Code
	if c := cfg.Compiler; dir == "" && c != nil {
		dir = c.Dir()
	}
	if dir == "" {
		return wazero.NewCompilationCache(), nil
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// runCompiler has metered wasm compiled, if somebody is there to do it.
func (j *Job) runCompiler(owner string, wasm []byte, effort uint64) (release func(), err error) {
	c := j.engine.cfg.Compiler
	if c == nil {
		return func() {}, nil
	}
	lost := j.Without(func() {
		var cpu time.Duration
		release, cpu, err = c.Compile(j.ctx, owner, wasm, effort)
		j.remoteCPU += cpu
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
