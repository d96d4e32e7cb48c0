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

// hall is a wazero runtime in which the code and the instances of many
// policies live, of whomever they are. They cannot meet in it: an instance has
// no name by which another could import from it, the gate lets in imports of
// the host's functions only, and of these each call brings its own world along
// (provide). What a runtime holds in common beside names are the types of
// functions, which it never forgets; so a hall is left for a new one before
// uploads can fill it (hallTypes).
type hall struct {
	runtime wazero.Runtime
	calling wazero.CompiledModule // of callers
	config  wazero.ModuleConfig
	desks   []desk // a power of two

	// Guarded by the codes' lock.
	users int // codes that live here, or are about to
	types int // of functions that were brought here
}

// hallTypes is after how many types of functions new code goes to a new hall.
// One takes up to 600 bytes, and a module may bring 4096.
const hallTypes = 1 << 14

func newHall(cache wazero.CompilationCache, funcs imports) (*hall, error) {
	ctx := context.Background()
	h := &hall{
		runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache).WithDebugInfoEnabled(false)),
		// Nothing that wazero would provide is reachable for a guest; its
		// standard source of randomness alone has 5 KiB.
		config: wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(noRandomness{}),
		desks:  make([]desk, deskCount(runtime.GOMAXPROCS(0))),
	}
	var err error
	if h.calling, err = h.runtime.CompileModule(ctx, callerModule()); err == nil {
		err = provideImports(h.runtime, funcs)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hall: %w", err), h.close())
	}
	return h, nil
}

// deskCount leaves room for guests whose goroutine has lost its processor.
func deskCount(processors int) int { return 1 << bits.Len(uint(min(2*processors, 64)-1)) }

// close ends every instance.
func (h *hall) close() error {
	var err error
	if h.calling != nil {
		err = h.calling.Close(context.Background())
	}
	return errors.Join(h.runtime.Close(context.Background()), err)
}

// newCaller makes a caller, whose mod is to be closed.
func (h *hall) newCaller() (*caller, error) {
	mod, err := h.runtime.InstantiateModule(context.Background(), h.calling, h.config)
	if err != nil {
		return nil, err
	}
	c := &caller{mod: mod}
	c.renew()
	return c, nil
}

// at sits down at a free desk, if there is one: where it sat last, if it can.
// The desk's lock is held.
func (h *hall) at(place uint32) *desk {
	mask := uint32(len(h.desks) - 1)
	for i := range uint32(len(h.desks)) {
		if d := &h.desks[(place+i)&mask]; d.mu.TryLock() {
			return d
		}
	}
	return nil
}

// call calls an entry. The error is a trap, unless started is false.
func (h *hall) call(place uint32, w *world, ref uint64, o op, param uint64, fuel int64) (result uint64, left int64, started bool, err error) {
	d := h.at(place)
	if d == nil {
		d = new(desk) // for once
		d.mu.Lock()
		defer d.leave()
	}
	if d.c == nil {
		if d.c, err = h.newCaller(); err != nil {
			d.mu.Unlock()
			return 0, 0, false, err
		}
	}
	result, left, err = d.c.call(w, ref, o, param, fuel)
	d.mu.Unlock()
	return result, left, true, err
}

// leave closes what a desk has that is not the hall's.
func (d *desk) leave() {
	if d.c != nil {
		_ = d.c.mod.Close(context.Background()) // it has nothing that could fail
	}
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

// provide has a host's function work in the world of the call that it is a
// part of, and on the memory of the instance that imports it.
func provide(b wazero.HostModuleBuilder, name string, f hostFunc) wazero.HostModuleBuilder {
	call := func(ctx context.Context, mod api.Module, stack []uint64) { f.call(ctx.(*world), mod.Memory(), stack) }
	return b.NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(call), f.params, f.results).
		Export(name)
}
