package tune

import (
	"context"
	"slices"

	"idlehost/host/internal/lab"
)

// judge plays the whole recording and counts what comes after the split.
func (r *runner) judge(ctx context.Context, standard *lab.Played, tuned, fixed *found) (*Result, error) {
	policies := []lab.Policy{r.cfg.Policy, with(tuned.trials.policy, tuned.trials.params, tuned.best.at)}
	if fixed != nil {
		policies = append(policies, with(fixed.trials.policy, fixed.trials.params, fixed.best.at))
	}
	played, err := r.run(ctx, policies, lab.Span{CountFrom: r.cfg.splitAt()})
	if err != nil {
		return nil, err
	}
	contender := func(i int, train *lab.Played) Contender {
		return Contender{Params: policies[i].Params, Train: sums(&train.Outcome.Total), Test: sums(&played[i].Outcome.Total)}
	}
	res := &Result{
		Version: Version, Policy: r.cfg.Policy.Name, Digest: played[0].Outcome.Digest, WorthMs: r.cfg.WorthMs,
		Seed: r.cfg.Seed, SplitMs: r.cfg.splitAt() / 1e6, SpanMs: r.cfg.Length / 1e6, Trials: len(tuned.trials.order),
		Params: searched(tuned), Default: contender(0, standard), Tuned: contender(1, tuned.best.played), Tried: tried(tuned.trials),
	}
	res.Ratio = r.ratio(played[1], played[0])
	if fixed != nil {
		c, ratio := contender(2, fixed.best.played), r.ratio(played[1], played[2])
		res.Fixed, res.ToFixed = &c, &ratio
	}
	res.Keep = res.Ratio.Interval.High >= 1
	res.Notes = notes(res, played[1])
	return res, nil
}

// ratio is of the cost of a to that of b, on the same clients.
func (r *runner) ratio(a, b *lab.Played) (ratio Ratio) {
	ratio.Value, ratio.Interval = lab.Ratio(a, b, r.cfg.WorthMs, r.cfg.Seed)
	return ratio
}

// searched tells of each parameter what it came to and whether it matters.
func searched(f *found) []Searched {
	list := make([]Searched, len(f.trials.params))
	for dim, p := range f.trials.params {
		at := f.best.at[dim]
		s := Searched{Name: p.Name, Range: p.Range, Scale: p.Scale, Value: p.Values[at], Effect: effect(f, dim)}
		switch {
		case p.Unordered:
		case at == 0:
			s.Edge = "low"
		case at == len(p.Values)-1:
			s.Edge = "high"
		}
		list[dim] = s
	}
	return list
}

// effect is the spread of costs along one parameter through the centre of the
// search.
func effect(f *found, dim int) float64 {
	centre := f.trials.centre
	if centre == nil {
		centre = f.best.at
	}
	var low, high int64
	seen := false
	for _, n := range f.trials.taken() {
		if !slices.Equal(n.at.moved(dim, 0), centre.moved(dim, 0)) {
			continue
		}
		if !seen {
			low, seen = n.cost, true
		}
		high = n.cost
	}
	if low <= 0 {
		return 0
	}
	return float64(high-low) / float64(low)
}

func tried(t *trials) []Tried {
	list := make([]Tried, len(t.order))
	for i, n := range t.order {
		list[i] = Tried{Params: values(t.params, n.at), CostMs: n.cost}
		if n.refuse != nil {
			list[i].Refused = n.refuse.Error()
		}
	}
	return list
}
