package check

import (
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// unit is the weight of a fresh gap.
const unit = 1 << 16

// gaps returns a tenant's histogram: shape gives the weights of a bin, in
// units. Generations tell histograms apart.
func gaps(generation uint32, shape func(bin int) (returned, gone, cut uint32)) *policy.Gaps {
	g := &policy.Gaps{Generation: generation, Unit: unit}
	for i := range abi.Bins {
		g.Returned[i], g.Gone[i], g.Cut[i] = shape(i)
	}
	return g
}

// none is an empty histogram.
func noGaps(int) (returned, gone, cut uint32) { return 0, 0, 0 }

// habit has most gaps around some seconds, and some that nobody ended.
func habitGaps(bin int) (returned, gone, cut uint32) {
	peak := abi.Bin(5 * second)
	distance := uint32(max(bin-peak, peak-bin))
	if distance < 20 {
		returned = (20 - distance) * unit
	}
	switch bin {
	case abi.Bin(75 * second):
		cut = 60 * unit
	case abi.Bin(2 * minute):
		gone = 25 * unit
	}
	return returned, gone, cut
}

// left has gaps only that did not end in another request.
func leftGaps(bin int) (returned, gone, cut uint32) {
	switch bin {
	case abi.Bin(second), abi.Bin(minute):
		gone = 50 * unit
	case abi.Bin(75 * second):
		cut = 300 * unit
	}
	return 0, gone, cut
}

// full has something in every bin. The whole weighs 1<<31, and the books keep
// it below that.
func fullGaps(int) (returned, gone, cut uint32) {
	const each = 1 << 31 / (3 * abi.Bins)
	return each, each, each
}
