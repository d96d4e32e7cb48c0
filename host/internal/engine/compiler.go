package engine

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero"
)

// Compiler compiles modules elsewhere, so that what goes wrong with it goes
// wrong there.
type Compiler interface {
	// Dir is the folder of wazero's cache in which the code lies, and where
	// nobody else may write. "": there is none, the engine compiles.
	Dir() string
	// Compile returns once Dir holds the code of wasm, or it may be compiled
	// in this process. release is called when it has been loaded. cpu is the
	// processor time that it took elsewhere, beside an error too. Where ctx
	// ends first, so does the work.
	Compile(ctx context.Context, wasm []byte) (release func(), cpu time.Duration, err error)
}

// newCache returns the compiled code that runtimes share.
func newCache(c Compiler) (wazero.CompilationCache, error) {
	if c == nil || c.Dir() == "" {
		return wazero.NewCompilationCache(), nil
	}
	return wazero.NewCompilationCacheWithDir(c.Dir())
}

// forge has the metered module compiled, if somebody is there to do it.
func (a *admission) forge() (release func(), err error) {
	c := a.engine.cfg.Compiler
	if c == nil {
		return func() {}, nil
	}
	release, cpu, err := c.Compile(a.ctx, a.linked.wasm)
	a.elsewhere += cpu
	return release, err
}
