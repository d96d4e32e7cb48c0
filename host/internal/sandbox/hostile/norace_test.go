//go:build !race

package hostile

const (
	raceSlow  = 1
	raceLarge = 1
)
