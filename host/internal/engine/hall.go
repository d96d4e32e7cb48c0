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

// desk sits down at a desk with a caller: the one at place where that is free,
// or else any other. Where none is free, it makes one for once. rise is due.
func (h *hall) desk(place uint32) (*desk, error) {
	d := &h.desks[place&uint32(len(h.desks)-1)]
	if !d.mu.TryLock() {
		d = h.other(place)
	}
	if d.c != nil {
		return d, nil
	}
	c, err := h.newCaller()
	if err != nil {
		d.mu.Unlock()
		return nil, err
	}
	d.c = c
	return d, nil
}

func (h *hall) other(place uint32) *desk {
	for i := range h.desks {
		if d := &h.desks[(int(place)+i)&(len(h.desks)-1)]; d.mu.TryLock() {
			return d
		}
	}
	d := &desk{once: true}
	d.mu.Lock()
	return d
}

// rise leaves the desk to others.
func (d *desk) rise() {
	if d.once {
		_ = d.c.mod.Close(context.Background()) // it has nothing that could fail
	}
	d.mu.Unlock()
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
