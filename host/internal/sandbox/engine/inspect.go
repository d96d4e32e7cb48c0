package engine

import (
	"context"
	"crypto/sha256"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/gate"
)

// Inspection is what a module shows without being run.
type Inspection struct {
	Module *gate.Module
	// Metered is how many bytes are compiled: the module's without custom
	// sections, what pays for fuel, and the host's entry.
	Metered int

	// What Load need not do again for the same bytes.
	key    [sha256.Size]byte
	engine *Engine
	linked linkedModule
}

// Inspect takes a module through the gate and the meter, as Load does before
// it compiles, at the cost of src.Quota. The error is a *FaultError, unless ctx
// ended or the engine is closed; what refuses the module is a *gate.Refusal in
// its chain. Load spares itself the work where the Inspection is its source's.
func (e *Engine) Inspect(ctx context.Context, src Source) (in *Inspection, err error) {
	err = e.Do(ctx, src, func(j *Job) (err error) {
		in, err = j.Inspect()
		return err
	})
	return in, err
}

func (a *policyLoad) inspect() (*Inspection, error) {
	steps := []step[*policyLoad]{{"gate", policy.FaultRefused, runGate}, {"meter", policy.FaultCompile, runMeter}}
	if err := runSteps(a.job.source.Name, steps, a); err != nil {
		return nil, err
	}
	return &Inspection{
		Module: a.module, Metered: len(a.linked.wasm),
		key: sha256.Sum256(a.job.source.Wasm), engine: a.job.engine, linked: a.linked,
	}, nil
}

// Budgets is the fuel that guests are given, in units.
type Budgets struct {
	Call, Configure, Init int64 // of one call each
	PerSecond             int64 // of a policy, in the long run
}

// Budgets returns what Config says, and what stands for its zeros.
func (e *Engine) Budgets() Budgets {
	c := e.cfg
	return Budgets{Call: c.callFuel(), Configure: c.configureFuel(), Init: c.initFuel(), PerSecond: c.fuelPerSecond()}
}
