package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/meter"
)

// admission is a module on its way to being a policy.
type admission struct {
	job    *Job
	params []byte
	world  *world
	code   *code // its use is the policy's, once there is one

	module  *gate.Module // between gate and linker
	linked  linked       // what is compiled
	metered *Metered     // in place of these: what another process adopts
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
func (e *Engine) Load(ctx context.Context, src Source) (p *Policy, err error) {
	err = e.Do(ctx, src, func(j *Job) (err error) {
		p, err = j.Load()
		return err
	})
	return p, err
}

// load takes the steps to code, and makes a policy of it. What was said is handed
// over, also beside an error.
func (a *admission) load(steps []step[*admission]) (*Policy, error) {
	p, err := a.admit(steps)
	if p != nil {
		p.flush()
	} else {
		emit(a.job.engine.log(&a.job.source), a.job.source.Name, a.world.log.take(0))
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// admit returns a policy also beside an error, where one has come into being:
// it is closed, and may have something to say.
func (a *admission) admit(steps []step[*admission]) (*Policy, error) {
	if err := walk(a.job.source.Name, steps, a); err != nil {
		return nil, errors.Join(err, a.abandon())
	}
	p := newPolicy(a)
	first, err := p.start(a.job.ctx)
	if err != nil {
		return p, errors.Join(err, p.shut())
	}
	p.inst = first
	if !first.restored {
		p.learned = State{} // it is another guest's, and stays with that one
	}
	if err := a.job.engine.adopt(p); err != nil {
		return p, errors.Join(err, p.shut())
	}
	return p, nil
}

// abandon gives back what the steps so far have taken.
func (a *admission) abandon() error {
	if a.code == nil {
		return nil
	}
	return a.job.engine.codes.release(a.code)
}

func checkParams(a *admission) (err error) {
	a.params, err = paramLines(a.job.source.Params)
	return err
}

// findCode uses the code of equal bytes, or has the module become code.
func findCode(a *admission) error {
	if len(a.job.source.Wasm) > a.job.engine.cfg.moduleBytes() {
		return walk(a.job.source.Name, codeSteps(), a) // the gate says so; too much to take a digest of
	}
	key := sha256.Sum256(a.job.source.Wasm)
	c, err := a.job.engine.codes.use(a.job.ctx, key, a.job.Without)
	if c != nil || err != nil {
		a.code = c
		return err
	}
	made := &code{key: key, digest: hexDigest(key)}
	a.useInspected(key)
	a.code = made
	// Others may wait for these bytes: also where a step panics, which the
	// server of an upload recovers from.
	var ready *code
	defer func() { a.job.engine.codes.made(key, ready) }()
	if err := walk(a.job.source.Name, codeSteps(), a); err != nil {
		a.code = nil
		return err
	}
	ready = made
	return nil
}

// useInspected spares the gate and the meter the work where they have seen the
// bytes.
func (a *admission) useInspected(key [sha256.Size]byte) {
	if in := a.job.source.Inspected; in != nil && in.key == key && in.engine == a.job.engine {
		a.module, a.linked = in.Module, in.linked
	}
}

// passGate reads the module, and refuses what is no policy or a danger to the
// compiler.
func passGate(a *admission) (err error) {
	if a.module != nil {
		return nil // it has passed
	}
	a.module, err = gate.Check(a.job.source.Wasm, a.job.engine.cfg.limits(), a.job.engine.contract)
	return err
}

// passMeter makes the module pay for what it runs, and gives it an entry.
func passMeter(a *admission) (err error) {
	if a.linked.wasm != nil {
		return nil // it has passed
	}
	a.linked, err = a.job.engine.meter(a.module)
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
	release, err := a.job.runCompiler(a.job.source.Quota.name(), a.linked.wasm, a.module.Effort())
	if err != nil {
		return err
	}
	defer release()
	c := a.code
	c.has, c.bytes, c.grows = a.linked.has, len(a.linked.wasm), a.module.Grows()
	memory, _ := a.module.Memory()
	c.pages = memory.Min
	if err := a.place(c, a.linked.wasm, a.linked.types); err != nil {
		return err
	}
	a.module, a.linked = nil, linked{}
	return nil
}

// place has a shared runtime hold the code of metered wasm.
func (a *admission) place(c *code, wasm []byte, types int) (err error) {
	codes := a.job.engine.codes
	if c.shared, err = codes.enter(types); err != nil {
		return err
	}
	if c.module, err = compileModule(codes.context(a.job.ctx), c.shared.runtime, wasm); err != nil {
		return errors.Join(err, codes.leave(c.shared))
	}
	return nil
}

// checkMemory holds the memory that the module begins with against what its
// owner may have, which the gate knows nothing of.
func checkMemory(a *admission) error { return a.checkPages(a.code.pages) }

func (a *admission) checkPages(begins uint32) error {
	if most := a.pages(); begins > most {
		return fmt.Errorf("begins with %d pages of 64 KiB; the limit is %d", begins, most)
	}
	return nil
}

// pages returns how many pages the memory may have.
func (a *admission) pages() uint32 {
	most := a.job.engine.cfg.memoryPages()
	if a.job.source.MemoryPages == 0 {
		return most
	}
	return min(a.job.source.MemoryPages, most)
}
