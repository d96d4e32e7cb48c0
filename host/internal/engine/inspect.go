package engine

import (
	"idlehost/host/internal/engine/gate"
	"idlehost/host/internal/policy"
)

// Inspection is what a module shows without being run.
type Inspection struct {
	Module *gate.Module
	// Metered is how many bytes are compiled: the module's without custom
	// sections, what pays for fuel, and the host's entry.
	Metered int
}

// Inspect takes a module through the gate and the meter, as Load does before
// it compiles. The error is a *FaultError with a *gate.Refusal in its chain.
func (e *Engine) Inspect(name string, wasm []byte) (Inspection, error) {
	m, err := gate.Check(wasm, e.cfg.limits(), e.contract)
	if err != nil {
		return Inspection{}, &FaultError{Policy: name, Step: "gate", Fault: faultOf(err, policy.FaultRefused), Err: err}
	}
	l, err := e.meter(m)
	if err != nil {
		return Inspection{}, &FaultError{Policy: name, Step: "meter", Fault: policy.FaultCompile, Err: err}
	}
	return Inspection{Module: m, Metered: len(l.wasm)}, nil
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
