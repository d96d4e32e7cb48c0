package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/engine/gate"
	"idlehost/host/internal/engine/meter"
	"idlehost/host/internal/policy"
)

// admission is a module on its way to being a policy.
type admission struct {
	ctx    context.Context
	engine *Engine
	source Source

	module  *gate.Module // between gate and meter
	digest  string       // of the source's bytes
	wasm    []byte       // what is compiled
	params  []byte
	funcs   map[string]map[string]hostFunc
	imports map[string]bool // modules of the host that it needs
	world   *world
	runtime wazero.Runtime
	code    wazero.CompiledModule

	elsewhere time.Duration // processor time that another process took
}

// admissionSteps lists what a module passes, in order. Nothing of wazero sees
// a byte before "compile", and what it sees then is what the meter has written.
func admissionSteps() []step[*admission] {
	return []step[*admission]{
		{"parameters", policy.FaultConfigure, checkParams},
		{"gate", policy.FaultRefused, passGate},
		{"meter", policy.FaultCompile, passMeter},
		{"compile", policy.FaultCompile, compile},
		{"link", policy.FaultInit, provideImports},
	}
}

// Load admits a module, makes its first instance, configures it, and gives it
// its learned state back. ctx bounds what is waited for: the owner's other
// loads, those of the same bytes, and the Compiler; what is done in this
// process runs to its end. The error has a *FaultError in its chain, unless ctx
// ended or the engine is closed.
//
// An owner whose Quota is used up is refused before the module is looked at:
// FaultRate with a *LoadRateError in the chain, or FaultBusy where too many of
// its loads wait already.
func (e *Engine) Load(ctx context.Context, src Source) (*Policy, error) {
	a := &admission{
		engine: e, source: src,
		funcs: hostFuncs(), imports: make(map[string]bool), world: newWorld(),
	}
	p, err := e.charge(ctx, a)
	if p != nil {
		p.flush()
	} else {
		e.emit(src.Name, a.world.log.take(0))
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// charge admits a module at the cost of its owner.
func (e *Engine) charge(ctx context.Context, a *admission) (*Policy, error) {
	loading, end, err := e.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	a.ctx = loading
	q := a.source.Quota
	if err := q.enter(loading); err != nil {
		return nil, a.ended(ctx, overQuota(a.source.Name, err))
	}
	w := startWatch()
	defer func() { q.leave(w.stop() + a.elsewhere) }()
	p, err := e.admit(a)
	return p, a.ended(ctx, err)
}

// ended tells a load that ctx or the engine has ended from one that failed of
// itself.
func (a *admission) ended(ctx context.Context, err error) error {
	switch why := a.ctx.Err(); {
	case why == nil || !errors.Is(err, why):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return ErrClosed
}

// admit returns a policy also beside an error, where one has come into being:
// it is closed, and may have something to say.
func (e *Engine) admit(a *admission) (*Policy, error) {
	if err := walk(a.source.Name, admissionSteps(), a); err != nil {
		return nil, errors.Join(err, a.abandon())
	}
	p := newPolicy(a)
	first, err := p.start(a.ctx)
	if err != nil {
		return p, errors.Join(err, p.shut())
	}
	p.inst = first
	if !first.restored {
		p.learned = State{} // it is another guest's, and stays with that one
	}
	if err := e.adopt(p); err != nil {
		return p, errors.Join(err, p.shut())
	}
	return p, nil
}

// abandon gives back what the steps so far have taken.
func (a *admission) abandon() error {
	if a.runtime == nil {
		return nil
	}
	var err error
	if a.code != nil {
		err = a.code.Close(context.Background())
	}
	return errors.Join(err, a.runtime.Close(context.Background()))
}

func checkParams(a *admission) (err error) {
	a.params, err = paramLines(a.source.Params)
	return err
}

// passGate reads the module, and refuses what is no policy or a danger to the
// compiler.
func passGate(a *admission) (err error) {
	cfg := a.engine.cfg
	if a.module, err = gate.Check(a.source.Wasm, cfg.limits(), contract(a.funcs)); err != nil {
		return err
	}
	sum := sha256.Sum256(a.module.Bytes())
	a.digest = hex.EncodeToString(sum[:])
	return nil
}

// passMeter makes the module pay for what it runs.
func passMeter(a *admission) error {
	metered, _, err := meter.Rewrite(a.module, meter.Config{Init: a.engine.cfg.initFuel()})
	if err != nil {
		return err
	}
	a.module = nil
	a.wasm, err = liftStart(metered)
	return err
}

// compile loads the code, or makes it. Every policy does so in a runtime of its
// own; the cache spares all but the first of equal bytes the compiling.
func compile(a *admission) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("compiler: %v", r)
		}
	}()
	if err := a.engine.flights.enter(a.ctx, a.digest); err != nil {
		return err
	}
	defer a.engine.flights.leave(a.digest)
	release, err := a.forge()
	if err != nil {
		return err
	}
	defer release()
	cfg := wazero.NewRuntimeConfig().
		WithCompilationCache(a.engine.cache).
		WithDebugInfoEnabled(false)
	a.runtime = wazero.NewRuntimeWithConfig(a.ctx, cfg)
	if a.code, err = a.runtime.CompileModule(a.ctx, a.wasm); err != nil {
		return err
	}
	for _, f := range a.code.ImportedFunctions() {
		module, _, _ := f.Import()
		a.imports[module] = true
	}
	return nil
}
