package engine

import (
	"context"

	"github.com/tetratelabs/wazero"
)

// Compiler compiles modules elsewhere, so that what goes wrong with it goes
// wrong there.
type Compiler interface {
	// Dir is the folder of wazero's cache in which the code lies, and where
	// nobody else may write. "": there is none, the engine compiles.
	Dir() string
	// Compile returns once Dir holds the code of wasm, or it may be compiled
	// in this process. release is called when it has been loaded.
	Compile(ctx context.Context, wasm []byte) (release func(), err error)
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
	return c.Compile(a.ctx, a.wasm)
}
