package tck

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

const (
	moduleMax = 4 << 20 // bytes of a module
	pagesMax  = 128     // pages of 64 KiB, room for a guest built by Go

	// callTime ends a call that never returns. What does takes microseconds,
	// but on a busy machine it waits for its turn.
	callTime = 10 * time.Second

	// interpretMin is the size from which on compiling a module, which takes a
	// second for two megabytes, costs more than it spares.
	interpretMin = 256 << 10

	logMax = 256 // bytes of a log line
)

// machine is a compiled module and the host that its instances see.
type machine struct {
	runtime wazero.Runtime
	code    wazero.CompiledModule
	linked  bool
	vectors []vector
	alive   []*instance

	callTime time.Duration
}

func compile(ctx context.Context, wasm []byte) (*machine, error) {
	if len(wasm) > moduleMax {
		return nil, fmt.Errorf("module has %d bytes, a host takes %d", len(wasm), moduleMax)
	}
	cfg := wazero.NewRuntimeConfig()
	if len(wasm) > interpretMin {
		cfg = wazero.NewRuntimeConfigInterpreter()
	}
	cfg = cfg.WithMemoryLimitPages(pagesMax).WithCloseOnContextDone(true).WithDebugInfoEnabled(false)
	m := &machine{runtime: wazero.NewRuntimeWithConfig(ctx, cfg), vectors: vectors(), callTime: callTime}
	var err error
	if m.code, err = m.runtime.CompileModule(ctx, wasm); err != nil {
		m.close(ctx)
		return nil, fmt.Errorf("compile: %w", err)
	}
	return m, nil
}

// close ends all instances. What it could report concerns none of them.
func (m *machine) close(ctx context.Context) { _ = m.runtime.Close(ctx) }

// prove looks at one rule, and ends the instances that it made.
func (m *machine) prove(ctx context.Context, r rule) error {
	defer func() {
		for _, i := range m.alive {
			_ = i.mod.Close(ctx)
		}
		m.alive = nil
	}()
	return r.check(ctx, m)
}

// link makes the host's modules, once imports are known to be allowed.
func (m *machine) link(ctx context.Context) error {
	if m.linked {
		return nil
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		return err
	}
	log := func(_ context.Context, mod api.Module, stack []uint64) {
		text, ok := mod.Memory().Read(uint32(stack[1]), uint32(stack[2]))
		if !ok {
			panic(fmt.Errorf("log: %d bytes at %d are outside the memory", uint32(stack[2]), uint32(stack[1])))
		}
		for _, i := range m.alive {
			if i.mod == mod {
				i.last = string(text[:min(len(text), logMax)])
			}
		}
	}
	abort := func(context.Context, api.Module, []uint64) { panic(errors.New("env.abort was called")) }
	for _, f := range []struct {
		module, name string
		call         api.GoModuleFunc
		params       int
	}{{"idlehost", "log", log, 3}, {"env", "abort", abort, 4}} {
		params := []api.ValueType{i32, i32, i32, i32}[:f.params]
		_, err := m.runtime.NewHostModuleBuilder(f.module).NewFunctionBuilder().
			WithGoModuleFunction(f.call, params, nil).Export(f.name).Instantiate(ctx)
		if err != nil {
			return err
		}
	}
	m.linked = true
	return nil
}

// instance is one living guest.
type instance struct {
	mod    api.Module
	mem    api.Memory
	now    uint64 // Unix milliseconds that WASI's clock shows
	random *rand.ChaCha8
	buffer region
	last   string // of what it has logged

	vectors []vector // the machine's

	callTime time.Duration // the machine's
}

// spawn makes an instance and initialises it. seed makes the randomness and
// the clock that it sees until the first event; neither may matter later.
func (m *machine) spawn(ctx context.Context, seed byte) (*instance, error) {
	if err := m.link(ctx); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	i := &instance{now: uint64(seed) * 1000, random: rand.NewChaCha8([32]byte{seed}), vectors: m.vectors, callTime: m.callTime}
	wall := func() (int64, int32) { return int64(i.now / 1000), int32(i.now % 1000 * 1e6) }
	cfg := wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(i.random).
		WithWalltime(wall, sys.ClockResolution(1e6)).
		WithNanotime(func() int64 { return int64(i.now) * 1e6 }, sys.ClockResolution(1e6))
	ctx, cancel := context.WithTimeout(ctx, 5*callTime)
	defer cancel()
	var err error
	if i.mod, err = m.runtime.InstantiateModule(ctx, m.code, cfg); err != nil {
		return nil, fmt.Errorf("instantiate: %w", err)
	}
	m.alive = append(m.alive, i)
	i.mem = i.mod.ExportedMemory("memory")
	if f := i.mod.ExportedFunction("_initialize"); f != nil {
		if _, err := f.Call(ctx); err != nil {
			return nil, fmt.Errorf("_initialize: %w", err)
		}
	}
	return i, nil
}

// ready is spawn as far as the first question: buffer found, no parameters.
func (m *machine) ready(ctx context.Context, seed byte) (*instance, error) {
	i, err := m.spawn(ctx, seed)
	if err != nil {
		return nil, err
	}
	if i.buffer, err = i.region(ctx, "event_buffer"); err != nil {
		return nil, err
	}
	if err := i.configure(ctx, ""); err != nil {
		return nil, err
	}
	return i, nil
}

func (i *instance) has(export string) bool { return i.mod.ExportedFunction(export) != nil }

// call calls an export and bounds the time that it takes; the result is 0 where it has none.
func (i *instance) call(ctx context.Context, export string, params ...uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, i.callTime)
	defer cancel()
	results, err := i.mod.ExportedFunction(export).Call(ctx, params...)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%s did not return within %v", export, i.callTime)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", export, err)
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

// region is a piece of guest memory that a guest has named.
type region struct{ addr, size uint32 }

// region calls an export that returns size<<32 | address.
func (i *instance) region(ctx context.Context, export string) (region, error) {
	packed, err := i.call(ctx, export)
	return region{uint32(packed), uint32(packed >> 32)}, err
}

// check says what is wrong with the place of r.
func (i *instance) check(r region) error {
	if r.addr%8 != 0 {
		return fmt.Errorf("address %d is not a multiple of 8", r.addr)
	}
	if end := uint64(r.addr) + uint64(r.size); end > uint64(i.mem.Size()) {
		return fmt.Errorf("bytes %d to %d are outside the memory of %d bytes", r.addr, end, i.mem.Size())
	}
	return nil
}
