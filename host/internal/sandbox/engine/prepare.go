package engine

import (
	"encoding/hex"
	"errors"
	"sync"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/outline"
)

// Prepared is a policy that has passed gate and meter. The engine of another process
// makes an instance of it with Adopt. Prepared policies of equal bytes share their
// Metered.
type Prepared struct {
	Name        string
	Params      []byte // in the form that configure gets
	MemoryPages uint32 // limit of the guest's memory
	Metered     *Metered

	mu       sync.Mutex // guards the following fields
	release  func()     // ends the loan of the code; nil: it is not on loan
	outlined bool       // the code can also be found by the outline
}

// errNoWorkers is why Lend fails without a Compiler that has a folder.
var errNoWorkers = errors.New("modules are compiled in this process, where no worker finds their code")

// Prepare runs the module through the gate and the meter, and checks its parameters
// as far as that is possible without the guest. It compiles nothing and makes no
// instance.
func (j *Job) Prepare() (*Prepared, error) {
	a := &policyLoad{job: j}
	if err := runSteps(j.source.Name, preparationSteps(), a); err != nil {
		return nil, err
	}
	return &Prepared{Name: j.source.Name, Params: a.params, MemoryPages: a.pages(), Metered: a.metered}, nil
}

func preparationSteps() []step[*policyLoad] {
	return []step[*policyLoad]{
		{"parameters", policy.FaultConfigure, checkParams},
		{"code", policy.FaultCompile, findMetered},
		{"memory", policy.FaultMemory, func(a *policyLoad) error { return a.checkPages(a.metered.Pages) }},
	}
}

// Lend keeps the code of p in the Compiler's folder until Release, and compiles it if
// needed. The code of the trampoline is kept with it.
func (j *Job) Lend(p *Prepared) error {
	c := j.engine.cfg.Compiler
	if c == nil || c.Dir() == "" {
		return &FaultError{Policy: p.Name, Step: "compile", Fault: policy.FaultBusy, Err: errNoWorkers}
	}
	releaseTrampoline, err := j.runCompiler("", trampolineModule(), 0)
	if err != nil {
		return j.uncompiled(err)
	}
	release, err := j.runCompiler(j.source.Quota.name(), p.Metered.Wasm, p.Metered.effort)
	if err != nil {
		releaseTrampoline()
		return j.uncompiled(err)
	}
	p.Release()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release = func() { release(); releaseTrampoline() }
	p.outlined = j.outlines()
	return nil
}

// Loadable returns the module with which a worker finds the code that is on loan: the
// outline, or else the metered module.
func (p *Prepared) Loadable() []byte {
	p.mu.Lock()
	outlined := p.outlined
	p.mu.Unlock()
	if outlined {
		if wasm, err := outline.Of(p.Metered.Wasm); err == nil {
			return wasm
		}
	}
	return p.Metered.Wasm
}

// uncompiled adds the step to an error, unless the context has ended.
func (j *Job) uncompiled(err error) error {
	if j.ctx.Err() != nil || errors.As(err, new(*FaultError)) {
		return err
	}
	return &FaultError{Policy: j.source.Name, Step: "compile", Fault: policy.FaultCompile, Err: err}
}

// OnLoan reports whether the code is on loan.
func (p *Prepared) OnLoan() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.release != nil
}

// Release ends the loan. Lend may be called again. Idempotent.
func (p *Prepared) Release() {
	p.mu.Lock()
	release := p.release
	p.release = nil
	p.mu.Unlock()
	if release != nil {
		release()
	}
}

// Digest returns the SHA-256 of the module, in hexadecimal.
func (p *Prepared) Digest() string { return hex.EncodeToString(p.Metered.Digest[:]) }

// WantsClose reports whether the guest exports on_close.
func (p *Prepared) WantsClose() bool { return opSet(p.Metered.Exports).has(opClose) }
