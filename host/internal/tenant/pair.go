package tenant

import "math"

// share is n of so many.
type share struct{ n, of uint64 }

func (s share) rate() float64 {
	if s.of == 0 {
		return 0
	}
	return float64(s.n) / float64(s.of)
}

// pair is a rate of the canary's beside the active version's.
type pair struct {
	canary, active share
	margin         float64
	atLeast        uint64 // of the canary's samples
}

// Chance is ruled out at 2.33 standard deviations: a canary that is no worse
// than it may be is taken back in one look of a hundred. Rates differ by
// chance; at 100 samples two equal versions of 10 % are 10 points apart now
// and then, five times the usual margin, and a guard that cried at that would
// not be left on for long.
const sigmas = 2.33

// fewest is how many events there must be: fewer follow no normal
// distribution, and a canary is not taken back for one bad day of one client.
const fewest = 5

// worse reports whether the canary's rate is above the active one's by more
// than the margin, and that this is unlikely to be chance: a one-sided test of
// two proportions whose null hypothesis is that the true rates differ by the
// margin exactly. It takes the variance under that hypothesis, as rates near 0
// have none of their own, and Yates's correction, as counts are whole. Testing
// against the margin instead of against equality costs a few samples, and
// makes looking again and again harmless: with more samples a difference below
// the margin becomes less and less likely to pass for one above.
func (p pair) worse() bool {
	if p.canary.of < p.atLeast || p.canary.n < min(fewest, p.atLeast) {
		return false
	}
	n1, n2 := float64(p.canary.of), float64(p.active.of)
	excess := p.canary.rate() - p.active.rate() - p.margin
	if excess <= 0 {
		return false
	}
	p2 := max(0, (float64(p.canary.n)+float64(p.active.n)-p.margin*n1)/(n1+n2))
	if n2 == 0 { // nothing to compare with: no events is what it is held to
		p2 = 0
	}
	p1 := min(p2+p.margin, 1)
	variance, step := p1*(1-p1)/n1, 0.5/n1
	if n2 > 0 {
		variance += p2 * (1 - p2) / n2
		step += 0.5 / n2
	}
	return excess-step > 0 && (excess-step) >= sigmas*math.Sqrt(variance)
}
