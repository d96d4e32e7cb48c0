package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"

	"idlehost/host/internal/policy"
)

// admission is a module on its way to being a policy.
type admission struct {
	ctx    context.Context
	engine *Engine
	source Source

	digest  string
	wasm    []byte // what is compiled
	params  []byte
	funcs   map[string]map[string]hostFunc
	imports map[string]bool // modules of the host that it needs
	world   *world
	runtime wazero.Runtime
	code    wazero.CompiledModule
}

// admissionSteps lists what a module passes, in order. Nothing of wazero sees
// the bytes before "compile".
func admissionSteps() []step[*admission] {
	return []step[*admission]{
		{"size", policy.FaultRefused, checkSize},
		{"parameters", policy.FaultConfigure, checkParams},
		{"compile", policy.FaultRefused, compile},
		{"imports", policy.FaultRefused, checkImports},
		{"exports", policy.FaultRefused, checkExports},
		{"memory", policy.FaultMemory, checkMemory},
		{"link", policy.FaultInit, provideImports},
	}
}

// Load admits a module, makes its first instance, configures it, and gives it
// its learned state back. ctx bounds the whole, between the steps; a compile
// that has begun runs to its end. The error has a *FaultError in its chain,
// unless ctx ended or the engine is closed.
func (e *Engine) Load(ctx context.Context, src Source) (*Policy, error) {
	a := &admission{
		ctx: ctx, engine: e, source: src, wasm: src.Wasm,
		funcs: hostFuncs(), imports: make(map[string]bool), world: newWorld(),
	}
	p, err := e.admit(a)
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

// admit returns a policy also beside an error, where one has come into being:
// it is closed, and may have something to say.
func (e *Engine) admit(a *admission) (*Policy, error) {
	e.loading.Lock()
	defer e.loading.Unlock()
	if e.closed() {
		return nil, ErrClosed
	}
	if err := a.ctx.Err(); err != nil {
		return nil, err
	}
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

func checkSize(a *admission) error {
	if n, limit := len(a.wasm), a.engine.cfg.moduleBytes(); n > limit {
		return fmt.Errorf("module has %d bytes, the limit is %d", n, limit)
	}
	if !bytes.HasPrefix(a.wasm, []byte("\x00asm\x01\x00\x00\x00")) {
		return errors.New("not a WebAssembly module of version 1")
	}
	sum := sha256.Sum256(a.wasm)
	a.digest = hex.EncodeToString(sum[:])
	return nil
}

func checkParams(a *admission) (err error) {
	a.params, err = paramLines(a.source.Params)
	return err
}

// compile decodes, validates and compiles. Every policy does so in a runtime
// of its own; the cache spares all but the first of equal bytes the compiling.
func compile(a *admission) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &FaultError{Policy: a.source.Name, Step: "compile", Fault: policy.FaultCompile, Err: fmt.Errorf("compiler: %v", r)}
		}
	}()
	cfg := wazero.NewRuntimeConfig().
		WithCompilationCache(a.engine.cache).
		WithDebugInfoEnabled(false).
		WithCloseOnContextDone(a.source.Bound == BoundDeadline)
	a.runtime = wazero.NewRuntimeWithConfig(a.ctx, cfg)
	a.code, err = a.runtime.CompileModule(a.ctx, a.wasm)
	return err
}
