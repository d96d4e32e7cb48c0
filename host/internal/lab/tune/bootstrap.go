package tune

import (
	"math/rand/v2"
	"slices"

	"idlehost/host/internal/lab/study"
)

// replicates is how often clients are drawn anew.
const replicates = 1000

// bootstrap returns the ratio of two sums over the same groups of clients, with
// the 95 % interval of its resamplings (Efron, 1979; percentiles). Gaps of one
// client depend on each other, clients do not. Of nothing the ratio is 1.
func bootstrap(a, b []int64, seed uint64) Ratio {
	random := rand.New(rand.NewPCG(seed, 2))
	ratios := make([]float64, replicates)
	for i := range ratios {
		var x, y int64
		for range a {
			k := random.IntN(len(a))
			x, y = x+a[k], y+b[k]
		}
		ratios[i] = quotient(x, y)
	}
	slices.Sort(ratios)
	var x, y int64
	for k := range a {
		x, y = x+a[k], y+b[k]
	}
	const tail = replicates / 40
	return Ratio{Value: quotient(x, y), Interval: study.Interval{Low: ratios[tail], High: ratios[replicates-1-tail]}}
}

func quotient(x, y int64) float64 {
	switch {
	case x == y:
		return 1
	case y == 0:
		return 1e9 // JSON has no infinity
	}
	return float64(x) / float64(y)
}
