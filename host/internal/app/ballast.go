package app

import "os"

// ballast is counted as live heap and never touched, so it takes no memory.
// Go collects when the heap has doubled: a small host would collect every
// four megabytes of garbage, which is every few hundred requests, and spend a
// tenth of its time on it. With ballast it takes that many megabytes more,
// once, and the share of a large heap hardly changes.
type ballast []byte

const ballastBytes = 16 << 20

// newBallast returns nothing where the operator has tuned the collector.
func newBallast() ballast {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make(ballast, ballastBytes)
}
