package bounds

import (
	"math"

	"idlehost/host/internal/lab/study"
)

// skiRandom returns what it costs, in expectation, to draw each deadline z anew
// from the density e^(z/B) / (B (e-1)) on [0, B], B being a reconnect's worth:
// e/(e-1) of the optimum on rests that end with the client's coming back
// (Karlin, Manasse, McGeoch and Owicki, 1994). A rest of g <= B is held for
// B (1 - e^u + u e) / (e-1) with u = g/B, and is cut short with the probability
// (e^u - 1) / (e-1). The rests of a bin, at most 0.8 % wide, are taken to be of
// their mean length. No multiplication is fused with an addition, so that all
// machines agree.
//
// The point's cost is that of the exact expectations, its parts are rounded.
func (h *lengths) skiRandom(worthMs int64) study.Point {
	worth := float64(worthMs) * 1e3
	var held, premature float64
	for _, b := range h.bins {
		if n := b.back + b.gone; n > 0 {
			time, cut := drawn(float64(b.backUs+b.goneUs)/float64(n), worth)
			held += float64(time * float64(n))
			premature += float64(cut * float64(b.back))
		}
	}
	return study.Point{
		HeldMs: int64(held / 1e3), Premature: int64(premature + 0.5),
		CostMs: int64((held + float64(worth*premature)) / 1e3),
	}
}

// drawn returns how long a rest of g is held in expectation, and how likely it
// is cut short.
func drawn(g, worth float64) (held, cut float64) {
	if g >= worth {
		return worth / (math.E - 1), 1
	}
	u := g / worth
	e := exp(u)
	return float64(worth*(1-e+float64(u*math.E))) / (math.E - 1), (e - 1) / (math.E - 1)
}

// exp returns e^u for u in [0, 1]: the standard library's differs by machine.
func exp(u float64) float64 {
	y := 1.0
	for n := 20; n > 0; n-- {
		y = 1 + float64(u*y)/float64(n)
	}
	return y
}
