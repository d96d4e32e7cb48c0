package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/meter"
)

// policyLoad is one load in progress, which turns a module into a Policy.
type policyLoad struct {
	job     *Job
	params  []byte
	callCtx *callContext
	code    *code // released by the policy, once there is one

	module  *gate.Module // between gate and linker
	linked  linkedModule // what is compiled
	metered *Metered     // in place of these: what another process adopts
}

// loadSteps lists the steps of a load, in order.
func loadSteps() []step[*policyLoad] {
	return []step[*policyLoad]{
		{"parameters", policy.FaultConfigure, checkParams},
		{"code", policy.FaultCompile, findCode},
		{"memory", policy.FaultMemory, checkMemory},
	}
}

// meterSteps lists the steps that wazero has no part in.
func meterSteps() []step[*policyLoad] {
	return []step[*policyLoad]{
		{"gate", policy.FaultRefused, runGate},
		{"meter", policy.FaultCompile, runMeter},
	}
}

// codeSteps lists the steps of a module that nobody uses yet. wazero sees no byte
// of it before "compile", and then sees what the meter and the linker have written.
func codeSteps() []step[*policyLoad] {
	return append(meterSteps(), step[*policyLoad]{"compile", policy.FaultCompile, compile})
}

// Load checks and compiles a module, makes its first instance, configures it, and
// restores its learned state. If other policies use the same bytes, or used them
// lately, their code is shared, and only the instance is made: some 20 us. ctx
// bounds the waiting: for the owner's other loads, those of the same bytes, and the
// Compiler; work in this process runs to its end. The error has a *FaultError in
// its chain, unless ctx ended or the engine is closed.
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

// load runs the steps that lead to code, and makes a policy. The guest's lines go
// to the log even when it fails.
func (a *policyLoad) load(steps []step[*policyLoad]) (*Policy, error) {
	p, err := a.run(steps)
	if p != nil {
		p.flush()
	} else {
		emit(a.job.engine.log(&a.job.source), a.job.source.Name, a.callCtx.log.take(0))
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// run may return a policy beside an error: it is closed, and may have lines for
// the log.
func (a *policyLoad) run(steps []step[*policyLoad]) (*Policy, error) {
	if err := runSteps(a.job.source.Name, steps, a); err != nil {
		return nil, errors.Join(err, a.release())
	}
	p := newPolicy(a)
	first, err := p.start(a.job.ctx)
	if err != nil {
		return p, errors.Join(err, p.shut())
	}
	p.inst = first
	if !first.restored {
		p.learned = State{} // its format is another guest's
	}
	if err := a.job.engine.register(p); err != nil {
		return p, errors.Join(err, p.shut())
	}
	return p, nil
}

// release gives back what the steps so far have taken.
func (a *policyLoad) release() error {
	if a.code == nil {
		return nil
	}
	return a.job.engine.codeCache.release(a.code)
}

func checkParams(a *policyLoad) (err error) {
	a.params, err = paramLines(a.job.source.Params)
	return err
}

// findCode shares the code of equal bytes, or makes it.
func findCode(a *policyLoad) error {
	if len(a.job.source.Wasm) > a.job.engine.cfg.moduleBytes() {
		return runSteps(a.job.source.Name, codeSteps(), a) // the gate says so; too much to take a digest of
	}
	return a.shareCode(sha256.Sum256(a.job.source.Wasm), func(*code) error {
		a.useInspected()
		return runSteps(a.job.source.Name, codeSteps(), a)
	})
}

// shareCode takes the code of known bytes, or makes it.
func (a *policyLoad) shareCode(key [sha256.Size]byte, fill func(*code) error) (err error) {
	codes := a.job.engine.codeCache
	if a.code, err = codes.acquire(a.job.ctx, key, a.job.Without); a.code != nil || err != nil {
		return err
	}
	a.code = &code{key: key, digest: hex.EncodeToString(key[:])}
	// Other loads may wait for these bytes, so finish is called even if a step
	// panics, from which the server of an upload recovers.
	var made *code
	defer func() { codes.finish(key, made) }()
	if err := fill(a.code); err != nil {
		a.code = nil
		return err
	}
	made = a.code
	return nil
}

// useInspected takes over what Inspect has made.
func (a *policyLoad) useInspected() {
	if in := a.job.inspected; in != nil {
		a.module, a.linked = in.Module, in.linked
	}
}

// runGate reads the module, and refuses what is not a policy or endangers the
// compiler.
func runGate(a *policyLoad) (err error) {
	if a.module != nil {
		return nil // it has passed
	}
	a.module, err = gate.Check(a.job.source.Wasm, a.job.engine.cfg.limits(), a.job.engine.contract)
	return err
}

// runMeter makes the module pay fuel for what it runs, and adds the entry.
func runMeter(a *policyLoad) (err error) {
	if a.linked.wasm != nil {
		return nil // it has passed
	}
	a.linked, err = a.job.engine.meter(a.module)
	return err
}

func (e *Engine) meter(m *gate.Module) (linkedModule, error) {
	metered, _, err := meter.Rewrite(m, meter.Config{Init: e.cfg.initFuel()})
	if err != nil {
		return linkedModule{}, err
	}
	return link(m, metered)
}

// compile finds the code in the Compiler's folder, or makes it.
func compile(a *policyLoad) error {
	release, err := a.job.runCompiler(a.job.source.Quota.name(), a.linked.wasm, a.module.Effort())
	if err != nil {
		return err
	}
	defer release()
	c := a.code
	c.exports, c.bytes, c.grows = a.linked.exports, len(a.linked.wasm), a.module.Grows()
	memory, _ := a.module.Memory()
	c.pages = memory.Min
	if err := a.addToRuntime(c, a.linked.wasm, a.linked.types); err != nil {
		return err
	}
	a.module, a.linked = nil, linkedModule{}
	return nil
}

// addToRuntime adds the code of metered wasm to a shared runtime.
func (a *policyLoad) addToRuntime(c *code, wasm []byte, types int) (err error) {
	codes := a.job.engine.codeCache
	if c.shared, err = codes.acquireRuntime(types); err != nil {
		return err
	}
	if c.module, err = compileModule(codes.context(a.job.ctx), c.shared.runtime, wasm); err != nil {
		return errors.Join(err, codes.releaseRuntime(c.shared))
	}
	return nil
}

// checkMemory compares the memory that the module begins with with its owner's
// limit, which the gate does not know.
func checkMemory(a *policyLoad) error { return a.checkPages(a.code.pages) }

func (a *policyLoad) checkPages(begins uint32) error {
	if most := a.pages(); begins > most {
		return fmt.Errorf("begins with %d pages of 64 KiB; the limit is %d", begins, most)
	}
	return nil
}

// pages returns how many pages the memory may have.
func (a *policyLoad) pages() uint32 {
	most := a.job.engine.cfg.memoryPages()
	if a.job.source.MemoryPages == 0 {
		return most
	}
	return min(a.job.source.MemoryPages, most)
}
