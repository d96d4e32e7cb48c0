package tenant

import (
	"context"

	"idlehost/host/internal/fair"
)

// Gate bounds how many loads run at once, over all tenants that share it. A
// tenant has one at a time, and the tenant goes first whose loads have taken the
// least time so far. A nil Gate bounds nothing.
type Gate struct{ turns *fair.Queue }

// NewGate returns a gate for n loads, at least one.
func NewGate(n int) *Gate { return &Gate{turns: fair.New(n)} }

// enter waits for a place for a tenant. The error is that of ctx; without one,
// Leave is due.
func (g *Gate) enter(ctx context.Context, name string) (*fair.Turn, error) {
	if g == nil {
		return nil, ctx.Err()
	}
	return g.turns.Enter(ctx, name, 0)
}

// tryEnter takes a place if one is free and nobody waits for it.
func (g *Gate) tryEnter(name string) (*fair.Turn, bool) {
	if g == nil {
		return nil, true
	}
	return g.turns.TryEnter(name, 0)
}
