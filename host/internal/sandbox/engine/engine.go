// Package engine runs policies that are WebAssembly modules: it checks a
// module, keeps one instance of it, asks that instance, and replaces it when
// it fails. sdk/ABI.md is the contract with the guest. The engine knows
// questions and answers, not connections, and it writes no log of its own.
package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/sandbox/gate"
)

// Config configures an Engine. The zero value works.
type Config struct {
	// MemoryPages is how many pages of 64 KiB a guest's memory may have,
	// 1 to 65536. 0: 128 (8 MiB), which a guest built by Go needs.
	MemoryPages uint32
	// ModuleBytes is the largest module that the engine accepts. 0: 4 MiB.
	ModuleBytes int
	// CallFuel bounds one call of a hook in units of fuel, each about one
	// simple instruction: 0.3 to 1 ns, 5 at most (TestPrices in package meter).
	// 0: 400,000, 2 ms at most (TestQuestionAtFullBudget in package hostile). A guest
	// built by Go uses 290,000 to print a panic, and as much when its heap grows. While
	// a guest runs, a pending garbage collection stops the whole process, so a large
	// CallFuel delays everybody.
	CallFuel int64
	// ConfigureFuel bounds configure, and configure_buffer. 0: 5 million.
	ConfigureFuel int64
	// InitFuel bounds the start function, and _initialize. 0: 5 million; a
	// guest built by Go needs 2.5. It bounds the stack of these calls too.
	InitFuel int64
	// FuelPerSecond is what a policy without a Quota may use in the long run, new
	// instances included; the fuel of two seconds can be saved up. A policy that has
	// used it up is not asked. Seconds are of event time. 0: 50 million, 15 to 50 ms,
	// 250 at most.
	FuelPerSecond int64
	// Wait is how long a question waits for a policy that is busy with
	// another. 0: 1 ms.
	Wait time.Duration
	// SpareCode is how many bytes of metered modules stay compiled after their last
	// policy has closed, so that they can be loaded again quickly. Their code takes
	// about five times as much. 0: 4 MiB, one module built by Go. Negative: none.
	SpareCode int
	// Compiler compiles modules. nil: the engine does, in this process.
	Compiler Compiler
	// Code is a folder of wazero's cache that another process fills: all code is
	// taken from there, and none is compiled (ErrNoCode). It is only read. "":
	// the Compiler's folder, which the engine may compile into itself.
	Code string
	// Turns shares the processors of this process among the owners of jobs. nil: no
	// owner waits for another.
	Turns *fair.Queue
	// Log gets the lines that guests write, and why an instance was closed. level is 0
	// debug, 1 info, 2 warning, 3 error; msg is at most 512 bytes of UTF-8 that the
	// guest chooses. The goroutine that asked calls it, after the answer. nil: lines are
	// dropped.
	Log func(module string, level int, msg string)
}

func (c Config) memoryPages() uint32 {
	if c.MemoryPages == 0 {
		return 128
	}
	return min(c.MemoryPages, 1<<16)
}

func (c Config) moduleBytes() int { return orDefault(c.ModuleBytes, 4<<20) }
func (c Config) spareCode() int {
	if c.SpareCode < 0 {
		return 0
	}
	return orDefault(c.SpareCode, 4<<20)
}

func (c Config) callFuel() int64      { return fuelOrDefault(c.CallFuel, 400_000) }
func (c Config) configureFuel() int64 { return fuelOrDefault(c.ConfigureFuel, 5_000_000) }
func (c Config) initFuel() int64      { return fuelOrDefault(c.InitFuel, 5_000_000) }
func (c Config) fuelPerSecond() int64 { return fuelOrDefault(c.FuelPerSecond, standardFuelPerSecond) }
func (c Config) wait() time.Duration  { return orDefault(c.Wait, time.Millisecond) }

// standardFuelPerSecond is the default of Config and QuotaConfig.
const standardFuelPerSecond = 50_000_000

// fuelOrDefault bounds v, so that no sum of budgets overflows in thousandths.
func fuelOrDefault(v, standard int64) int64 { return min(orDefault(v, standard), 1<<40) }

func orDefault[T ~int | ~int64](v, standard T) T {
	if v <= 0 {
		return standard
	}
	return v
}

// Engine loads policies. They share wazero's runtimes, in which none can reach
// another (sharedRuntime), the code of equal bytes, and the stacks on which they
// run; each has a memory and globals of its own. Safe for concurrent use.
type Engine struct {
	cfg        Config
	cache      wazero.CompilationCache
	contract   gate.Contract
	codeCache  *codeCache
	memoryPool *memoryPool
	metered    meteredModules
	loaded     atomic.Uint32        // policies so far
	clock      func() time.Duration // processor time of the calling thread; tests have another

	mu sync.Mutex // guards the following fields
	// policies holds every policy that is not closed; nil once the engine is.
	policies map[*Policy]struct{}

	closing sync.Mutex     // held by Close, taken before mu
	loads   sync.WaitGroup // counts the loads in flight; none begins once policies is nil

	// ctx ends with Close, and with it what a load waits for.
	ctx    context.Context
	cancel context.CancelFunc
}

// ErrParams says that the policy refused its parameters.
var ErrParams = errors.New("parameters refused")

// ErrClosed is returned by Load after Close.
var ErrClosed = errors.New("engine: closed")

// New returns an engine. ctx bounds New only.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cache, err := newCache(cfg)
	if err != nil {
		return nil, err
	}
	funcs := hostFuncs()
	e := &Engine{
		cfg:        cfg,
		cache:      cache,
		contract:   contract(funcs),
		codeCache:  newCodeCache(cache, funcs, cfg.spareCode(), cfg.Code != ""),
		memoryPool: newMemoryPool(),
		policies:   make(map[*Policy]struct{}),
		clock:      threadTime,
	}
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return e, nil
}

// DropSpareCode drops the code that no policy uses (Config.SpareCode).
func (e *Engine) DropSpareCode() error { return e.codeCache.dropSpare() }

// Close closes every policy and drops all compiled code. It ends loads in flight,
// which return ErrClosed, and waits for them. Later questions get FaultNotLoaded.
// Idempotent.
func (e *Engine) Close() error {
	e.closing.Lock()
	defer e.closing.Unlock()
	e.mu.Lock()
	open := e.policies
	e.policies = nil
	e.mu.Unlock()
	if open == nil {
		return nil
	}
	e.cancel()
	e.loads.Wait()
	var errs []error
	for p := range open {
		errs = append(errs, p.shut())
	}
	errs = append(errs, e.codeCache.close(), e.cache.Close(context.Background()))
	e.memoryPool.close()
	return errors.Join(errs...)
}

// begin counts a load, and returns a context that ends with the engine, too.
func (e *Engine) begin(ctx context.Context) (loading context.Context, end func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.policies == nil {
		return nil, nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	e.loads.Add(1)
	loading, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(e.ctx, cancel)
	return loading, func() {
		detach()
		cancel()
		e.loads.Done()
	}, nil
}

// Loads returns how many loads have got as far as code.
func (e *Engine) Loads() int { return int(e.loaded.Load()) }

func (e *Engine) register(p *Policy) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.policies == nil {
		return ErrClosed
	}
	e.policies[p] = struct{}{}
	return nil
}

func (e *Engine) unregister(p *Policy) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.policies, p)
}

// log returns the log for a policy's lines; nil: there is none.
func (e *Engine) log(src *Source) func(module string, level int, msg string) {
	if src.Log != nil {
		return src.Log
	}
	return e.cfg.Log
}

// emit passes lines to a log. The caller holds no lock.
func emit(log func(module string, level int, msg string), module string, lines []line) {
	if log == nil {
		return
	}
	for _, l := range lines {
		log(module, l.level, l.text)
	}
}
