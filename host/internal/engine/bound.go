package engine

import (
	"context"
	"time"
)

// Bound is what stops a call that does not return.
type Bound uint8

const (
	// BoundDeadline stops a guest at Config.CallTime. It costs about 1 us and
	// eight allocations a call, slows loops down many times, and stops only
	// what loops: a guest made of calls alone, or of bulk memory operations,
	// runs on. It is no defence against malice.
	BoundDeadline Bound = iota
	// BoundNone trusts the guest to return, as the policies that come with
	// the host do. A call allocates nothing.
	BoundNone
)

// bounded returns the context of a call that may take d.
func (p *Policy) bounded(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if p.bound == BoundNone {
		return parent, unbounded
	}
	return context.WithTimeout(parent, d)
}

func unbounded() {}
