package check

import (
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/sdk/abi"
)

// loadedPolicy is a policy with an instance, ready to be asked.
type loadedPolicy interface {
	askable
	// firstInstance returns what the first instance declared, and the bytes of its
	// memory.
	firstInstance() (engine.Profile, uint64)
	Close() error
}

// localPolicy is a policy that runs in this process.
type localPolicy struct{ *engine.Policy }

func loadLocally(j *engine.Job) (loadedPolicy, error) {
	p, err := j.Load()
	if err != nil {
		return nil, err
	}
	return localPolicy{p}, nil
}

// Decide implements askable.
func (h localPolicy) Decide(ask *policy.Ask) (policy.Verdict, policy.Fault, error) {
	v, fault := h.Policy.Decide(ask)
	return v, fault, nil
}

func (h localPolicy) firstInstance() (engine.Profile, uint64) {
	return h.Profile(), h.Stats().MemoryBytes
}

// Fuel implements askable.
func (h localPolicy) Fuel(kind abi.Kind) uint64 { return h.Stats().FuelTotal[kind] }

// Spent implements askable.
func (h localPolicy) Spent() uint64 {
	s := h.Stats()
	return s.FuelSpent + (s.Instances-1)*instanceFuel
}
