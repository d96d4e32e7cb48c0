package check

import (
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/sdk/abi"
)

// loaded is a policy that can be asked.
type loaded interface {
	asker
	// told is what its first instance told of itself, and the bytes of its memory.
	told() (engine.Profile, uint64)
	Close() error
}

// here is a policy in this process.
type here struct{ *engine.Policy }

func loadHere(j *engine.Job) (loaded, error) {
	p, err := j.Load()
	if err != nil {
		return nil, err
	}
	return here{p}, nil
}

// Decide implements asker.
func (h here) Decide(ask *policy.Ask) (policy.Verdict, policy.Fault, error) {
	v, fault := h.Policy.Decide(ask)
	return v, fault, nil
}

func (h here) told() (engine.Profile, uint64) { return h.Profile(), h.Stats().MemoryBytes }

// Fuel implements asker.
func (h here) Fuel(kind abi.Kind) uint64 { return h.Stats().FuelTotal[kind] }

// Spent implements asker.
func (h here) Spent() uint64 {
	s := h.Stats()
	return s.FuelSpent + (s.Instances-1)*instanceFuel
}
