package bounds

import (
	"slices"

	"idlehost/host/internal/lab/study"
)

// lengths are how long rests were, between the timeouts of a grid: what every
// one of these timeouts would have cost follows exactly, in memory that does
// not depend on how many rests there were.
type lengths struct {
	grid []int64  // timeouts in nanoseconds, ascending; the last is forever
	bins []length // of grid[i]: rests of at most that, and longer than the one before
}

// length are the rests of one bin.
type length struct {
	back, gone     int64 // how many ended with the client's coming back, and how many did not
	backUs, goneUs int64 // how long they were
}

func newLengths(grid []int64) lengths { return lengths{grid: grid, bins: make([]length, len(grid))} }

func (h *lengths) add(ns int64, back bool) {
	ns = max(ns, 0)
	i, _ := slices.BinarySearch(h.grid, ns)
	b := &h.bins[i]
	if back {
		b.back++
		b.backUs += ns / 1e3
	} else {
		b.gone++
		b.goneUs += ns / 1e3
	}
}

// sum is what a rule costs: connection time held idle, in microseconds, and
// clients that came back to a closed connection.
type sum struct{ heldUs, premature int64 }

func (s sum) cost(worthMs int64) int64 { return s.heldUs/1e3 + worthMs*s.premature }

func (s sum) point(worthMs int64) study.Point {
	return study.Point{HeldMs: s.heldUs / 1e3, Premature: s.premature, CostMs: s.cost(worthMs)}
}

// fixed returns what each timeout of the grid costs.
func (h *lengths) fixed() []sum {
	sums := make([]sum, len(h.grid))
	short, longer, later := int64(0), int64(0), int64(0) // held to their ends, and how many are longer
	for _, b := range h.bins {
		longer, later = longer+b.back+b.gone, later+b.back
	}
	for i, b := range h.bins {
		short, longer, later = short+b.backUs+b.goneUs, longer-b.back-b.gone, later-b.back
		sums[i] = sum{short, later}
		if longer > 0 {
			sums[i].heldUs += longer * (h.grid[i] / 1e3)
		}
	}
	return sums
}

// best returns the cheapest timeout of the grid, the shortest of those.
func best(sums []sum, worthMs int64) int {
	found := 0
	for i, s := range sums {
		if s.cost(worthMs) < sums[found].cost(worthMs) {
			found = i
		}
	}
	return found
}

// at returns which timeout of the grid is the last that is not longer.
func (h *lengths) at(ns int64) int {
	i, exact := slices.BinarySearch(h.grid, ns)
	if exact || i == 0 {
		return i
	}
	return i - 1
}

// clairvoyant returns what it costs to hold the rests that end within the worth
// of a reconnect, a timeout of the grid, and no others.
func (h *lengths) clairvoyant(worth int) (s sum) {
	for i, b := range h.bins {
		if i <= worth {
			s.heldUs += b.backUs
		} else {
			s.premature += b.back
		}
	}
	return s
}
