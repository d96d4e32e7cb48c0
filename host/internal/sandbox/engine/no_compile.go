package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// noCompileContext is a context with which wazero finds code, and compiles none.
type noCompileContext struct{ context.Context }

// Value implements context.Context. Only wazero's compiler asks for this key.
func (c noCompileContext) Value(key any) any {
	if key == compilationWorkersKey() {
		panic(ErrNoCode)
	}
	return c.Context.Value(key)
}

// compilationWorkersKey is the key by which wazero's compiler asks a context for
// the number of goroutines that it may use.
var compilationWorkersKey = sync.OnceValue(func() any {
	var seen keyProbe
	experimental.GetCompilationWorkers(&seen)
	return seen.key
})

// keyProbe is a context that remembers the key that it was asked for.
type keyProbe struct{ key any }

// Deadline implements context.Context.
func (*keyProbe) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (*keyProbe) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (*keyProbe) Err() error { return nil }

// Value implements context.Context.
func (s *keyProbe) Value(key any) any { s.key = key; return nil }

// compileModule lets r compile, or find, the code of a module.
func compileModule(ctx context.Context, r wazero.Runtime, wasm []byte) (m wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			if known, ok := p.(error); ok && errors.Is(known, ErrNoCode) {
				err = known
				return
			}
			err = fmt.Errorf("compiler: %v", p)
		}
	}()
	return r.CompileModule(ctx, wasm)
}
