package engine

import "idlehost/host/internal/sandbox/gate"

// Inspection describes a module that has passed the gate and the meter, and has
// not been run.
type Inspection struct {
	Module *gate.Module
	// Metered is how many bytes are compiled: the module's without custom
	// sections, the code that pays fuel, and the host's entry.
	Metered int

	linked linkedModule
}

// Inspect runs the module through the gate and the meter, as Load does before it
// compiles; Load does not repeat it. A refusal is a *gate.Refusal in the chain of a
// *FaultError.
func (j *Job) Inspect() (*Inspection, error) {
	a := &policyLoad{job: j}
	if err := runSteps(j.source.Name, meterSteps(), a); err != nil {
		return nil, err
	}
	j.inspected = &Inspection{Module: a.module, Metered: len(a.linked.wasm), linked: a.linked}
	return j.inspected, nil
}

// Budgets is the fuel that guests are given, in units.
type Budgets struct {
	Call, Configure, Init int64 // of one call each
	PerSecond             int64 // of a policy, in the long run
}

// Budgets returns the budgets of Config, with the defaults for its zeros.
func (e *Engine) Budgets() Budgets {
	c := e.cfg
	return Budgets{Call: c.callFuel(), Configure: c.configureFuel(), Init: c.initFuel(), PerSecond: c.fuelPerSecond()}
}
