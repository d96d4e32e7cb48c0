package tune

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"idlehost/host/internal/lab"
)

// trial is a point that was tried.
type trial struct {
	at     point
	cost   int64 // milliseconds
	played *lab.Played
	refuse error // the policy does not take this combination; cost is not known
}

// trials are what a search has tried. Each point costs one replay, however
// often it is asked for.
type trials struct {
	run    *runner
	policy lab.Policy
	params []*Param
	left   int // replays that may still be made
	known  map[string]*trial
	order  []*trial // as they were tried
	centre point    // through which the range of each parameter was looked along; nil: the best
}

func newTrials(r *runner, p lab.Policy, params []*Param, most int) *trials {
	return &trials{run: r, policy: p, params: params, left: most, known: map[string]*trial{}}
}

// try tries those of the points that are new, all at once, as far as there are
// replays left.
func (t *trials) try(ctx context.Context, points []point) error {
	var fresh []*trial
	var policies []lab.Policy
	for _, at := range points {
		key := fmt.Sprint(at)
		if t.known[key] != nil || t.left == 0 {
			continue
		}
		n := &trial{at: at}
		t.known[key] = n
		t.order = append(t.order, n)
		t.left--
		p := with(t.policy, t.params, at)
		if n.refuse = t.run.cfg.Check(ctx, p); n.refuse != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		fresh, policies = append(fresh, n), append(policies, p)
	}
	played, err := t.run.run(ctx, policies, t.run.span)
	if err != nil {
		return err
	}
	for i, n := range fresh {
		n.played, n.cost = played[i], played[i].Outcome.Total.CostMs
		n.played.Groups = nil // whole clients are compared at the end only
	}
	return nil
}

// at returns the trial of a point, if it was one and the policy took it.
func (t *trials) at(p point) *trial {
	if n := t.known[fmt.Sprint(p)]; n != nil && n.refuse == nil {
		return n
	}
	return nil
}

// taken are the trials that the policy took, the cheapest first; equals in the
// order of their points.
func (t *trials) taken() []*trial {
	list := slices.DeleteFunc(slices.Clone(t.order), func(n *trial) bool { return n.refuse != nil })
	slices.SortFunc(list, func(a, b *trial) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), slices.Compare(a.at, b.at))
	})
	return list
}

// best is the cheapest trial; of a plateau, the one in its middle: what lies
// on the edge of one is the first to fall off.
func (t *trials) best() *trial {
	list := t.taken()
	if len(list) == 0 {
		return nil
	}
	n := 1
	for n < len(list) && list[n].cost == list[0].cost {
		n++
	}
	list = list[:n]
	return slices.MinFunc(list, func(a, b *trial) int {
		return cmp.Or(cmp.Compare(t.off(a, list), t.off(b, list)), slices.Compare(a.at, b.at))
	})
}

// off is how far a trial is from the middle of some, in parts of the ranges.
func (t *trials) off(n *trial, of []*trial) int64 {
	var sum int64
	for dim, p := range t.params {
		var total int64
		for _, o := range of {
			total += int64(o.at[dim])
		}
		d := int64(n.at[dim])*int64(len(of)) - total
		sum += max(d, -d) * 10_000 / int64(len(p.Values))
	}
	return sum
}
