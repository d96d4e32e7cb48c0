package check

import (
	"idlehost/host/internal/sandbox/engine"
	"idlehost/sdk/abi"
)

// setModule stores what is known of the module before it runs.
func (r *Report) setModule(seen *engine.Inspection) {
	m, limits := seen.Module, seen.Module.Limits()
	r.Module = Binary{
		Bytes: len(m.Bytes()), BytesLimit: limits.ModuleBytes, MeteredBytes: seen.Metered,
		Functions: len(m.Bodies()), Effort: m.Effort(), EffortLimit: limits.Effort,
	}
	bounds, _ := m.Memory()
	r.Memory.MinPages, r.Memory.LimitPages = bounds.Min, limits.MemoryPages
	if bounds.HasMax {
		r.Memory.MaxPages = &bounds.Max
	}
	for _, i := range m.Imports() {
		r.Imports = append(r.Imports, Extern{Name: i.Module + "." + i.Name, Kind: "function", Type: i.Type.String()})
	}
	for _, e := range m.Exports() {
		x := Extern{Name: e.Name, Kind: e.Kind}
		if e.Kind == "function" {
			x.Type = e.Type.String()
		}
		r.Exports = append(r.Exports, x)
	}
}

// setProfile stores what the first instance declared, and the fuel that it took.
func (r *Report) setProfile(p engine.Profile, memory uint64) {
	r.ABI.Policy = p.ABIVersion
	r.Memory.Bytes = memory
	r.Memory.BufferBytes, r.Memory.StateBytes, r.Memory.StateFormat = p.BufferBytes, p.StateBytes, p.StateFormat
	r.Fuel.Init.took(p.FuelInit)
	r.Fuel.Configure.took(p.FuelConfigure)
}

// setBudgets stores the fuel that this host gives.
func (r *Report) setBudgets(b engine.Budgets) {
	r.ABI.Host = abi.Version
	r.Fuel = Fuel{
		PerSecond: b.PerSecond,
		Init:      Spent{Budget: b.Init}, Configure: Spent{Budget: b.Configure},
		Accept: Spent{Budget: b.Call}, Timeout: Spent{Budget: b.Call}, Close: Spent{Budget: b.Call},
		TotalBudget: totalFuel(b),
	}
}

// callsOfQuestion is how many calls a question may take, each with the fuel of one.
const callsOfQuestion = 3

// totalFuel is the most that a policy can use if it answers every question: what
// making one instance takes, and for each question one call and the two by which
// the engine checks that the guest's buffer and state have not moved.
func totalFuel(b engine.Budgets) uint64 {
	made := 2*b.Init + 2*b.Configure + 5*b.Call
	return uint64(made) + callsOfQuestion*uint64(b.Call)*uint64(questionCount())
}
