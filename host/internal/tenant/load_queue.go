package tenant

import (
	"context"

	"idlehost/host/internal/fair"
)

// LoadQueue bounds how many loads run at once, over all tenants that share it. A
// tenant has one at a time, and the tenant goes first whose loads have taken the
// least time so far. A nil LoadQueue bounds nothing.
type LoadQueue struct{ turns *fair.Queue }

// NewLoadQueue returns a queue for n loads, at least one.
func NewLoadQueue(n int) *LoadQueue { return &LoadQueue{turns: fair.New(n)} }

// enter waits for a place for a tenant. The error is that of ctx; without one,
// Leave is due.
func (g *LoadQueue) enter(ctx context.Context, name string) (*fair.Turn, error) {
	if g == nil {
		return nil, ctx.Err()
	}
	return g.turns.Enter(ctx, name, 0)
}

// tryEnter takes a place if one is free and nobody waits for it.
func (g *LoadQueue) tryEnter(name string) (*fair.Turn, bool) {
	if g == nil {
		return nil, true
	}
	return g.turns.TryEnter(name, 0)
}
