package engine

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/policy"
)

// Compiler compiles modules in another process, so that a module which crashes or
// exhausts the compiler does not harm this one.
type Compiler interface {
	// Dir is the folder of wazero's cache that holds the code; nobody else may write
	// there. "": there is none, the engine compiles.
	Dir() string
	// Compile returns once Dir holds the code of wasm, or the engine may compile it.
	// owner is whose module it is, "" the operator's. effort is the gate's estimate of
	// the work (gate.Module.Effort). The engine calls release when it has loaded the
	// code. cpu is the processor time that other processes have used, even beside an
	// error. The work ends with ctx. An error with a method Cause() policy.Fault says
	// which fault it is: FaultRefused, FaultCompile, or FaultBusy, which is not the
	// module's. Any other error is FaultCompile.
	Compile(ctx context.Context, owner string, wasm []byte, effort uint64) (release func(), cpu time.Duration, err error)
}

// outlines reports whether the code in the Compiler's folder can also be found by the
// module's outline (package outline).
func (j *Job) outlines() bool {
	c, ok := j.engine.cfg.Compiler.(interface{ Outlines() bool })
	return ok && c.Outlines()
}

// newCache returns the cache of compiled code that all runtimes share.
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

// runCompiler lets the Compiler, if there is one, compile metered wasm.
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
