//go:build race

package hostile

// What the race detector makes of the bounds.
const (
	raceSlow  = 8
	raceLarge = 4
)
