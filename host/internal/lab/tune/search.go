package tune

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"idlehost/host/internal/lab"
)

// found is what a search has come to.
type found struct {
	trials *trials
	best   *trial
}

// search looks for the cheapest of all values of the parameters, with at most
// so many replays. What it does next depends on costs alone, not on which
// replay ends first.
func search(ctx context.Context, r *runner, p lab.Policy, params []*Param, most int) (*found, error) {
	t := newTrials(r, p, params, most)
	var err error
	if len(params) == 1 {
		err = t.line(ctx)
	} else {
		err = t.space(ctx, rand.New(rand.NewPCG(r.cfg.Seed, 1)))
	}
	if err != nil {
		return nil, err
	}
	best := t.best()
	if best == nil {
		return nil, fmt.Errorf("every combination that was tried is refused, such as %s: %w",
			pairs(values(params, t.order[0].at)), t.order[0].refuse)
	}
	return &found{t, best}, nil
}

// line searches a single parameter: evenly over the range first, then, between
// the neighbours of the best, ever more finely.
func (t *trials) line(ctx context.Context) error {
	p := t.params[0]
	even := max(t.left/2, 3)
	if p.Unordered {
		even = len(p.Values)
	}
	if err := t.try(ctx, along(point{0}, 0, p.spread(even))); err != nil {
		return err
	}
	for t.left > 0 && !p.Unordered {
		best := t.best()
		if best == nil {
			return nil
		}
		low, high := t.neighbours(best.at)
		const parts = 3
		var places []int
		for i := 1; i < parts; i++ {
			places = append(places, low+(best.at[0]-low)*i/parts, best.at[0]+((high-best.at[0])*i+parts-1)/parts)
		}
		before := t.left
		if err := t.try(ctx, along(point{0}, 0, places)); err != nil {
			return err
		}
		if t.left == before {
			return nil
		}
	}
	return nil
}

// neighbours are the nearest places on both sides of a point that were tried
// and are dearer: the cheapest lies between them.
func (t *trials) neighbours(at point) (low, high int) {
	low, high = 0, len(t.params[0].Values)-1
	cost := t.at(at).cost
	for _, n := range t.order {
		if n.refuse == nil && n.cost == cost {
			continue // on the same plateau
		}
		switch {
		case n.at[0] < at[0]:
			low = max(low, n.at[0])
		case n.at[0] > at[0]:
			high = min(high, n.at[0])
		}
	}
	return low, high
}

// space searches several parameters: a Latin hypercube, from the best two of
// it a compass search, and around the best of all a look along each parameter,
// for what it matters.
func (t *trials) space(ctx context.Context, random *rand.Rand) error {
	looks := profile * len(t.params)
	budget := t.left
	t.left = max(budget-looks, (budget+1)/2)
	reserve := budget - t.left
	if err := t.try(ctx, t.hypercube(max(t.left/3, 2), random)); err != nil {
		return err
	}
	const starts = 2
	for _, start := range firsts(t.taken(), starts) {
		if err := t.compass(ctx, start.at); err != nil {
			return err
		}
	}
	t.left += reserve
	best := t.best()
	if best == nil {
		return nil
	}
	t.centre = best.at
	var around []point
	for dim, p := range t.params {
		around = append(around, along(best.at, dim, p.spread(profile))...)
	}
	return t.try(ctx, around)
}

// profile is how many values of a parameter tell whether it matters.
const profile = 5

// hypercube returns n points of which no two are in the same n-th of any
// parameter's range (McKay, Beckman and Conover, 1979).
func (t *trials) hypercube(n int, random *rand.Rand) []point {
	points := make([]point, n)
	for i := range points {
		points[i] = make(point, len(t.params))
	}
	for dim, p := range t.params {
		size := len(p.Values)
		for i, stratum := range random.Perm(n) {
			points[i][dim] = min((stratum*size+random.IntN(size))/n, size-1)
		}
	}
	return points
}

// compass goes from a point to the cheapest of its neighbours, along each
// parameter, at steps that are halved where none is cheaper (Kolda, Lewis and
// Torczon, SIAM Review 2003). It needs no slopes, and a plateau ends it.
func (t *trials) compass(ctx context.Context, at point) error {
	steps := make([]int, len(t.params))
	for i, p := range t.params {
		steps[i] = max(len(p.Values)/8, 1)
	}
	for t.left > 0 {
		around := t.around(at, steps)
		if err := t.try(ctx, around); err != nil {
			return err
		}
		here := t.at(at)
		next := here
		for _, n := range around {
			if o := t.at(n); o != nil && (next == nil || o.cost < next.cost) {
				next = o
			}
		}
		if next != here {
			at = next.at
			continue
		}
		if !halve(steps) {
			return nil
		}
	}
	return nil
}

func (t *trials) around(at point, steps []int) (points []point) {
	for dim, p := range t.params {
		if p.Unordered {
			points = append(points, along(at, dim, p.spread(len(p.Values)))...)
			continue
		}
		for _, to := range []int{at[dim] - steps[dim], at[dim] + steps[dim]} {
			points = append(points, at.moved(dim, min(max(to, 0), len(p.Values)-1)))
		}
	}
	return points
}

// halve reports whether there was anything left to halve.
func halve(steps []int) bool {
	any := false
	for i, s := range steps {
		if s > 1 {
			steps[i], any = s/2, true
		}
	}
	return any
}

// along moves a point along one parameter.
func along(at point, dim int, places []int) []point {
	points := make([]point, len(places))
	for i, to := range places {
		points[i] = at.moved(dim, to)
	}
	return points
}

func firsts[T any](list []T, n int) []T { return slices.Clone(list[:min(n, len(list))]) }
