package tenant

import "context"

// Gate bounds how many loads run at once, over all tenants that share it. A
// nil Gate bounds nothing.
type Gate struct{ places chan struct{} }

// NewGate returns a gate for n loads, at least one.
func NewGate(n int) *Gate { return &Gate{places: make(chan struct{}, max(n, 1))} }

// enter waits for a place. The error is that of ctx; without one, leave is due.
func (g *Gate) enter(ctx context.Context) error {
	if g == nil {
		return ctx.Err()
	}
	select {
	case g.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryEnter takes a place if one is free and nobody waits for it.
func (g *Gate) tryEnter() bool {
	if g == nil {
		return true
	}
	select {
	case g.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g *Gate) leave() {
	if g != nil {
		<-g.places
	}
}
