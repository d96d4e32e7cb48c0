package bounds

import (
	"slices"
	"time"

	"idlehost/host/internal/lab/study"
)

// Forever is a timeout that never passes.
const Forever = int64(1 << 62)

// marks are timeouts that people use: of them the curve has the exact values.
var marks = []time.Duration{
	0, time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second,
	45 * time.Second, 60 * time.Second, 75 * time.Second, 90 * time.Second, 2 * time.Minute, 3 * time.Minute,
	5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
	2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 24 * time.Hour,
}

// grid is every timeout that is tried: steps of 3 % from 50 ms to 24 h, and
// the marks. It is made of integers, to be the same everywhere.
func grid() []int64 {
	all := []int64{Forever}
	for _, m := range marks {
		all = append(all, int64(m))
	}
	for t := int64(50 * time.Millisecond); t < int64(24*time.Hour); t += t * 3 / 100 {
		all = append(all, t)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// curve counts gaps by the grid, so that what each timeout of it would have
// cost is exact.
type curve struct {
	grid []int64
	// back and gone are gaps that are longer than the timeout before and not
	// longer than this one: of clients that came back, and of others. Their
	// lengths add up in microseconds.
	back, gone     []int64
	backUs, goneUs []int64
}

func newCurve(grid []int64) curve {
	n := len(grid)
	return curve{grid, make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)}
}

func (c *curve) add(length int64, returned bool) {
	i, _ := slices.BinarySearch(c.grid, length)
	i = min(i, len(c.grid)-1)
	if returned {
		c.back[i]++
		c.backUs[i] += length / 1000
	} else {
		c.gone[i]++
		c.goneUs[i] += length / 1000
	}
}

// points is the curve under a price.
func (c *curve) points(worthMs int64) []study.Point {
	all := make([]study.Point, len(c.grid))
	var longer, shorterUs, longerBack int64
	for i := range c.grid {
		longer += c.back[i] + c.gone[i]
		longerBack += c.back[i]
	}
	for i, t := range c.grid {
		longer -= c.back[i] + c.gone[i]
		longerBack -= c.back[i]
		shorterUs += c.backUs[i] + c.goneUs[i]
		p := study.Point{TimeoutMs: t / 1e6, HeldMs: shorterUs / 1000, Premature: longerBack}
		if t != Forever {
			p.HeldMs += longer * (t / 1e6)
		} else {
			p.TimeoutMs = -1
		}
		p.CostMs = p.HeldMs + worthMs*p.Premature
		all[i] = p
	}
	return all
}

// best returns the cheapest point, the shortest of equals.
func best(points []study.Point) (b study.Point) {
	b = points[0]
	for _, p := range points[1:] {
		if p.CostMs < b.CostMs {
			b = p
		}
	}
	return b
}
