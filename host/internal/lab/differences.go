package lab

import (
	"context"
	"fmt"
	"slices"

	"idlehost/host/internal/lab/study"
)

// shown is how many clients a pair of policies is compared by.
const shown = 4

// differences finds, for the cheapest policy beside each of the others, the
// clients that the two treat most differently, and plays both once more to tell
// of their decisions.
func (x *Experiment) differences(ctx context.Context, policies []Policy, played []*Played) ([]study.Difference, error) {
	list := []study.Difference{}
	if len(played) < 2 {
		return list, nil
	}
	best := 0
	for i, p := range played {
		if p.Outcome.Total.CostMs < played[best].Outcome.Total.CostMs {
			best = i
		}
	}
	var pairs [][2]int
	clients := make([][]uint64, len(played))
	for i := range played {
		if i == best {
			continue
		}
		for _, d := range x.unlike(played[best], played[i]) {
			list = append(list, d.Difference)
			pairs = append(pairs, [2]int{best, i})
			clients[best] = append(clients[best], d.client)
			clients[i] = append(clients[i], d.client)
		}
	}
	told := make([]*explanation, len(played))
	err := x.each(ctx, len(played), func(ctx context.Context, i int) error {
		told[i] = newExplanation(clients[i])
		if len(clients[i]) == 0 {
			return nil
		}
		_, err := play(ctx, &x.Config, &policies[i], told[i], nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		for side, p := range pairs[i] {
			var client uint64
			fmt.Sscanf(list[i].Client, "%x", &client)
			list[i].Decisions[side] = told[p].decisions[client]
			list[i].Kind = told[p].kinds[client]
		}
	}
	return list, nil
}

// unlikely is a client that two policies treat differently.
type unlikely struct {
	study.Difference
	client uint64
}

// unlike returns the clients on whom the costs of two policies differ most.
func (x *Experiment) unlike(a, b *Played) (all []unlikely) {
	worth := x.Setting.WorthMs
	for i := range min(len(a.Groups), len(b.Groups)) {
		l, r := &a.Groups[i], &b.Groups[i]
		d := study.Difference{
			Policies: [2]string{a.Outcome.Name, b.Outcome.Name}, Client: fmt.Sprintf("%016x", l.Client),
			CostMs: [2]int64{l.HeldUs/1000 + worth*l.Premature, r.HeldUs/1000 + worth*r.Premature},
		}
		if d.CostMs[0] != d.CostMs[1] && l.Client == r.Client {
			all = append(all, unlikely{d, l.Client})
		}
	}
	slices.SortStableFunc(all, func(a, b unlikely) int { return byCost(a.Difference, b.Difference) })
	return all[:min(len(all), shown)]
}
