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

// codeOnly is a context with which wazero finds code, and compiles none.
type codeOnly struct{ context.Context }

// Value implements context.Context. Of what wazero looks for, one thing is asked
// for by the compiler only, and by nobody else.
func (c codeOnly) Value(key any) any {
	if key == compilersKey() {
		panic(ErrNoCode)
	}
	return c.Context.Value(key)
}

// compilersKey is what wazero's compiler asks a context for: the number of
// goroutines that it may use.
var compilersKey = sync.OnceValue(func() any {
	var seen keySeen
	experimental.GetCompilationWorkers(&seen)
	return seen.key
})

// keySeen is a context that remembers what it was asked for.
type keySeen struct{ key any }

// Deadline implements context.Context.
func (*keySeen) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (*keySeen) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (*keySeen) Err() error { return nil }

// Value implements context.Context.
func (s *keySeen) Value(key any) any { s.key = key; return nil }

// compileModule has r compile, or find, the code of a module.
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
