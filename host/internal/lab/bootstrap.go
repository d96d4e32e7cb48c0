package lab

import (
	"math/rand/v2"
	"slices"

	"idlehost/host/internal/lab/study"
)

// replicates is how often clients are drawn anew.
const replicates = 1000

// sums are what a bootstrap adds up.
type sums struct{ heldUs, premature int64 }

func (s sums) cost(worthMs int64) int64 { return s.heldUs/1000 + worthMs*s.premature }

// bootstrap returns the 95 % intervals of what a policy has cost, and of the
// ratio of that to what another has, over resamplings of the clients (Efron
// 1979; percentiles). Gaps of one client depend on one another; clients do not.
// The same seed draws the same clients for every policy. against may be nil.
func bootstrap(p, against *Played, worthMs int64, seed uint64) study.Intervals {
	random := rand.New(rand.NewPCG(seed, 2))
	n := len(p.Groups)
	held, premature := make([]int64, replicates), make([]int64, replicates)
	cost, ratio := make([]int64, replicates), make([]float64, replicates)
	paired := against != nil && len(against.Groups) == n
	for i := range replicates {
		var a, b sums
		for range n {
			k := random.IntN(n)
			a.heldUs, a.premature = a.heldUs+p.Groups[k].HeldUs, a.premature+p.Groups[k].Premature
			if paired {
				b.heldUs, b.premature = b.heldUs+against.Groups[k].HeldUs, b.premature+against.Groups[k].Premature
			}
		}
		held[i], premature[i], cost[i] = a.heldUs/1000, a.premature, a.cost(worthMs)
		ratio[i] = 1
		if c := b.cost(worthMs); c > 0 {
			ratio[i] = float64(cost[i]) / float64(c)
		}
	}
	s := study.Intervals{HeldMs: middle(held), Premature: middle(premature), CostMs: middle(cost)}
	if paired {
		slices.Sort(ratio)
		s.Ratio = study.Interval{Low: ratio[tail], High: ratio[replicates-1-tail]}
	}
	return s
}

// Ratio returns how many times what another has cost a policy has cost, of all
// clients, with the 95 % interval. It is 1 where the other has cost nothing, or
// has not the same clients.
func Ratio(p, against *Played, worthMs int64, seed uint64) (float64, study.Interval) {
	cost, other := p.Outcome.Total.CostMs, against.Outcome.Total.CostMs
	if other == 0 || len(p.Groups) != len(against.Groups) {
		return 1, study.Interval{Low: 1, High: 1}
	}
	return float64(cost) / float64(other), bootstrap(p, against, worthMs, seed).Ratio
}

// tail is how many replicates lie outside the interval on either side.
const tail = replicates / 40

func middle(all []int64) study.Interval {
	slices.Sort(all)
	return study.Interval{Low: float64(all[tail]), High: float64(all[replicates-1-tail])}
}
