package engine

import (
	"errors"

	"idlehost/host/internal/policy"
)

// step is one stage of a load. Its errors count as fault, unless faultOf knows a
// more exact one.
type step[T any] struct {
	name  string
	fault policy.Fault
	run   func(T) error
}

// runSteps runs the steps in order, up to the first that fails.
func runSteps[T any](name string, steps []step[T], t T) error {
	for _, s := range steps {
		err := s.run(t)
		if err == nil {
			continue
		}
		var known *FaultError
		if errors.As(err, &known) {
			return known
		}
		return &FaultError{Policy: name, Step: s.name, Fault: faultOf(err, s.fault), Err: err}
	}
	return nil
}
