//go:build !race

package engine

const (
	raceDetector   = false
	standardCycles = 10_000
)
