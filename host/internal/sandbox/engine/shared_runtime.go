package engine

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// sharedRuntime is a wazero runtime that holds the code and the instances of many
// policies, of any owner. They cannot reach one another: an instance has no name
// by which another could import from it, the gate lets in imports of the host's
// functions only, and each call brings its own callContext to these (provide).
// Beside names, a runtime shares the types of functions, which it never forgets;
// so it is replaced before uploads can fill it (sharedTypes).
type sharedRuntime struct {
	runtime    wazero.Runtime
	trampoline wazero.CompiledModule // of trampolines
	config     wazero.ModuleConfig
	slots      []trampolineSlot // a power of two

	// Guarded by codeCache.mu.
	users int // codes that live here, or are about to
	types int // of functions that were added
}

// sharedTypes is after how many types of functions new code goes to a new shared
// runtime. One takes up to 600 bytes, and a module may bring 4096.
const sharedTypes = 1 << 14

// newSharedRuntime returns one without policies. ctx is that of compiling.
func newSharedRuntime(ctx context.Context, cache wazero.CompilationCache, funcs imports) (*sharedRuntime, error) {
	s := &sharedRuntime{
		runtime: wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfig().WithCompilationCache(cache).WithDebugInfoEnabled(false)),
		// Nothing that wazero would provide is reachable for a guest; its
		// standard source of randomness alone has 5 KiB.
		config: wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(noRandomness{}),
		slots:  make([]trampolineSlot, slotCount(runtime.GOMAXPROCS(0))),
	}
	var err error
	if s.trampoline, err = compileModule(ctx, s.runtime, trampolineModule()); err == nil {
		err = provideImports(s.runtime, funcs)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("shared runtime: %w", err), s.close())
	}
	return s, nil
}

// slotCount leaves room for guests whose goroutine has lost its processor.
func slotCount(processors int) int { return 1 << bits.Len(uint(min(2*processors, 64)-1)) }

// close ends every instance.
func (s *sharedRuntime) close() error {
	var err error
	if s.trampoline != nil {
		err = s.trampoline.Close(context.Background())
	}
	return errors.Join(s.runtime.Close(context.Background()), err)
}

// newTrampoline makes a trampoline, whose mod is to be closed.
func (s *sharedRuntime) newTrampoline() (*trampoline, error) {
	mod, err := s.runtime.InstantiateModule(context.Background(), s.trampoline, s.config)
	if err != nil {
		return nil, err
	}
	t := &trampoline{mod: mod}
	t.resetStack()
	return t, nil
}

// takeSlot locks a slot that has a trampoline: the one at place if that is free,
// or else any other. Where none is free, it makes one for a single use. The caller
// calls release.
func (s *sharedRuntime) takeSlot(place uint32) (*trampolineSlot, error) {
	slot := &s.slots[place&uint32(len(s.slots)-1)]
	if !slot.mu.TryLock() {
		slot = s.otherSlot(place)
	}
	if slot.trampoline != nil {
		return slot, nil
	}
	t, err := s.newTrampoline()
	if err != nil {
		slot.mu.Unlock()
		return nil, err
	}
	slot.trampoline = t
	return slot, nil
}

func (s *sharedRuntime) otherSlot(place uint32) *trampolineSlot {
	for i := range s.slots {
		if slot := &s.slots[(int(place)+i)&(len(s.slots)-1)]; slot.mu.TryLock() {
			return slot
		}
	}
	slot := &trampolineSlot{once: true}
	slot.mu.Lock()
	return slot
}

// release leaves the slot to others.
func (s *trampolineSlot) release() {
	if s.once {
		_ = s.trampoline.mod.Close(context.Background()) // it has nothing that could fail
	}
	s.mu.Unlock()
}

// noRandomness stands where wazero would put a generator.
type noRandomness struct{}

func (noRandomness) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// provideImports instantiates the host's modules.
func provideImports(r wazero.Runtime, funcs imports) error {
	for module, named := range funcs {
		b := r.NewHostModuleBuilder(module)
		for name, f := range named {
			b = provide(b, name, f)
		}
		if _, err := b.Instantiate(context.Background()); err != nil {
			return fmt.Errorf("module %s: %w", module, err)
		}
	}
	return nil
}

// provide runs a host function in the context of the call that it is a part of,
// and on the memory of the instance that imports it.
func provide(b wazero.HostModuleBuilder, name string, f hostFunc) wazero.HostModuleBuilder {
	call := func(ctx context.Context, mod api.Module, stack []uint64) {
		f.call(ctx.(*callContext), mod.Memory(), stack)
	}
	return b.NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(call), f.params, f.results).
		Export(name)
}
