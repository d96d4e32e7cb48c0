package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"idlehost/host/internal/engine/gate"
	"idlehost/host/internal/engine/meter"
	"idlehost/host/internal/policy"
)

// admission is a module on its way to being a policy.
type admission struct {
	ctx    context.Context
	engine *Engine
	source Source
	params []byte
	world  *world
	code   *code // its use is the policy's, once there is one

	module *gate.Module // between gate and linker
	linked linked       // what is compiled

	elsewhere time.Duration // processor time that another process took
}

// admissionSteps lists what a load passes, in order.
func admissionSteps() []step[*admission] {
	return []step[*admission]{
		{"parameters", policy.FaultConfigure, checkParams},
		{"code", policy.FaultCompile, findCode},
		{"memory", policy.FaultMemory, checkMemory},
	}
}

// codeSteps lists what a module passes that nobody uses yet. Nothing of wazero
// sees a byte before "compile", and what it sees then is what the meter and the
// linker have written.
func codeSteps() []step[*admission] {
	return []step[*admission]{
		{"gate", policy.FaultRefused, passGate},
		{"meter", policy.FaultCompile, passMeter},
		{"compile", policy.FaultCompile, compile},
	}
}

// Load admits a module, makes its first instance, configures it, and gives it
// its learned state back. Of bytes that other policies use, or used lately, the
// code is shared, and nothing but the instance is made: some 20 us. ctx bounds what is waited for: the owner's other
// loads, those of the same bytes, and the Compiler; what is done in this
// process runs to its end. The error has a *FaultError in its chain, unless ctx
// ended or the engine is closed.
//
// An owner whose Quota is used up is refused before the module is looked at:
// FaultRate with a *LoadRateError in the chain, or FaultBusy where too many of
// its loads wait already.
func (e *Engine) Load(ctx context.Context, src Source) (*Policy, error) {
	a := &admission{engine: e, source: src, world: newWorld()}
	p, err := e.charge(ctx, a)
	if p != nil {
		p.flush()
	} else {
		emit(e.log(&src), src.Name, a.world.log.take(0))
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// charge admits a module at the cost of its owner.
func (e *Engine) charge(ctx context.Context, a *admission) (p *Policy, err error) {
	err = e.charged(ctx, a, func() (err error) {
		p, err = e.admit(a)
		return err
	})
	return p, err
}

// charged does what the owner of a module pays for.
func (e *Engine) charged(ctx context.Context, a *admission, do func() error) error {
	loading, end, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	a.ctx = loading
	q := a.source.Quota
	if err := q.enter(loading); err != nil {
		return a.ended(ctx, overQuota(a.source.Name, err))
	}
	w := startWatch()
	defer func() { q.leave(w.stop() + a.elsewhere) }()
	return a.ended(ctx, do())
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
	if a.code == nil {
		return nil
	}
	return a.engine.codes.release(a.code)
}

func checkParams(a *admission) (err error) {
	a.params, err = paramLines(a.source.Params)
	return err
}

// findCode uses the code of equal bytes, or has the module become code.
func findCode(a *admission) error {
	if len(a.source.Wasm) > a.engine.cfg.moduleBytes() {
		return walk(a.source.Name, codeSteps(), a) // the gate says so; too much to take a digest of
	}
	key := sha256.Sum256(a.source.Wasm)
	c, err := a.engine.codes.use(a.ctx, key)
	if c != nil || err != nil {
		a.code = c
		return err
	}
	made := &code{key: key, digest: hexDigest(key)}
	if in := a.source.Inspected; in != nil && in.key == key && in.engine == a.engine {
		a.module, a.linked = in.Module, in.linked
	}
	a.code = made
	if err := walk(a.source.Name, codeSteps(), a); err != nil {
		a.code, made = nil, nil
		a.engine.codes.made(key, nil)
		return err
	}
	a.engine.codes.made(key, made)
	return nil
}

// passGate reads the module, and refuses what is no policy or a danger to the
// compiler.
func passGate(a *admission) (err error) {
	if a.module != nil {
		return nil // it has passed
	}
	a.module, err = gate.Check(a.source.Wasm, a.engine.cfg.limits(), a.engine.contract)
	return err
}

// passMeter makes the module pay for what it runs, and gives it an entry.
func passMeter(a *admission) (err error) {
	if a.linked.wasm != nil {
		return nil // it has passed
	}
	a.linked, err = a.engine.meter(a.module)
	return err
}

func (e *Engine) meter(m *gate.Module) (linked, error) {
	metered, _, err := meter.Rewrite(m, meter.Config{Init: e.cfg.initFuel()})
	if err != nil {
		return linked{}, err
	}
	return link(m, metered)
}

// compile loads the code, or makes it.
func compile(a *admission) error {
	release, err := a.forge()
	if err != nil {
		return err
	}
	defer release()
	c := a.code
	c.has, c.bytes, c.grows = a.linked.has, len(a.linked.wasm), grows(a.module)
	memory, _ := a.module.Memory()
	c.pages = memory.Min
	if c.hall, err = a.engine.codes.enter(a.linked.types); err != nil {
		return err
	}
	if err = c.compile(a.ctx, a.linked.wasm); err != nil {
		return errors.Join(err, a.engine.codes.leave(c.hall))
	}
	a.module, a.linked = nil, linked{}
	return nil
}

func (c *code) compile(ctx context.Context, wasm []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("compiler: %v", r)
		}
	}()
	c.module, err = c.hall.runtime.CompileModule(ctx, wasm)
	return err
}

// grows reports whether the module has an instruction by which its memory
// becomes larger.
func grows(m *gate.Module) bool {
	for _, b := range m.Bodies() {
		if b.Weight.Grows > 0 {
			return true
		}
	}
	return false
}

// checkMemory holds the memory that the module begins with against what its
// owner may have, which the gate knows nothing of.
func checkMemory(a *admission) error {
	if pages := a.pages(); a.code.pages > pages {
		return fmt.Errorf("begins with %d pages of 64 KiB; the limit is %d", a.code.pages, pages)
	}
	return nil
}

// pages returns how many pages the memory may have.
func (a *admission) pages() uint32 {
	most := a.engine.cfg.memoryPages()
	if a.source.MemoryPages == 0 {
		return most
	}
	return min(a.source.MemoryPages, most)
}
