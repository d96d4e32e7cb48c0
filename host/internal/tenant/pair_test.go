package tenant

import (
	"math"
	"math/rand/v2"
	"testing"
)

// binomial draws how many of n events of probability p happen, by its
// distribution function.
type binomial struct{ upTo []float64 }

func newBinomial(n int, p float64) binomial {
	b := binomial{}
	sum := 0.0
	for k := 0; k <= n; k++ {
		l, _ := math.Lgamma(float64(n + 1))
		l1, _ := math.Lgamma(float64(k + 1))
		l2, _ := math.Lgamma(float64(n - k + 1))
		q := 0.0
		switch {
		case p == 0:
			q = map[bool]float64{true: 1}[k == 0]
		case p == 1:
			q = map[bool]float64{true: 1}[k == n]
		default:
			q = math.Exp(l - l1 - l2 + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		}
		sum += q
		b.upTo = append(b.upTo, sum)
	}
	return b
}

func (b binomial) draw(r *rand.Rand) uint64 {
	u := r.Float64() * b.upTo[len(b.upTo)-1]
	lo, hi := 0, len(b.upTo)-1
	for lo < hi {
		if mid := (lo + hi) / 2; b.upTo[mid] > u {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return uint64(lo)
}

// TestGuardSeldomCriesWolf: in one look at a canary whose true rate is above
// the active one's by the whole margin, the most that is allowed, an alarm
// comes about once in a hundred times; 2 % is the bound here, as counts are
// whole and the normal distribution is not quite theirs.
func TestGuardSeldomCriesWolf(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const runs = 20_000
	worst := 0.0
	for _, m := range []float64{0, 0.005, 0.02, 0.1} {
		for _, base := range []float64{0, 0.001, 0.02, 0.2, 0.5, 0.8} {
			for _, n := range []struct{ canary, active int }{{100, 100}, {100, 1900}, {1000, 1000}, {2000, 500}, {500, 10_000}} {
				c, a := newBinomial(n.canary, base+m), newBinomial(n.active, base)
				alarms := 0
				for range runs {
					if (pair{
						canary: share{c.draw(r), uint64(n.canary)}, active: share{a.draw(r), uint64(n.active)}, margin: m, atLeast: 100,
					}).worse() {
						alarms++
					}
				}
				rate := float64(alarms) / runs
				if worst = max(worst, rate); rate > 0.02 {
					t.Errorf("margin %v, rate %v, %+v: %.2f %% false alarms", m, base, n, 100*rate)
				}
			}
		}
	}
	t.Logf("at most %.2f %% false alarms", 100*worst)
}

// TestGuardMayLookAgainAndAgain: at equal versions, after each 50 closes of the
// canary for 200 times. The bound is on whole rollouts.
func TestGuardMayLookAgainAndAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const rollouts, looks, each, times = 2000, 200, 50, 9
	for _, c := range []struct{ margin, base, bound float64 }{
		{0.02, 0.001, 0.002}, {0.02, 0.02, 0.005}, {0.02, 0.1, 0.01}, {0.02, 0.3, 0.015}, {0.02, 0.5, 0.015}, {0, 0.3, 0.2},
	} {
		canary, active := newBinomial(each, c.base), newBinomial(each*times, c.base)
		alarms := 0
		for range rollouts {
			p := pair{margin: c.margin, atLeast: 100}
			for range looks {
				p.canary.n, p.canary.of = p.canary.n+canary.draw(r), p.canary.of+each
				p.active.n, p.active.of = p.active.n+active.draw(r), p.active.of+each*times
				if p.worse() {
					alarms++
					break
				}
			}
		}
		rate := float64(alarms) / rollouts
		if rate > c.bound {
			t.Errorf("margin %v, rate %v: %.2f %% of rollouts are taken back for nothing", c.margin, c.base, 100*rate)
		}
		t.Logf("margin %v, rate %v: %.2f %% of rollouts are taken back for nothing", c.margin, c.base, 100*rate)
	}
}

// TestGuardSeesWhatIsWorse: how many samples of the canary it takes to be 95 %
// sure of the alarm.
func TestGuardSeesWhatIsWorse(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	const runs = 1000
	for _, c := range []struct {
		base, canary float64
		samples      int
	}{
		{0.001, 1, 100}, {0.001, 0.12, 100}, {0.001, 0.05, 700}, {0.1, 0.2, 450}, {0.3, 0.5, 150}, {0.3, 0.35, 6000},
	} {
		can, act := newBinomial(c.samples, c.canary), newBinomial(9*c.samples, c.base)
		alarms := 0
		for range runs {
			if (pair{
				canary: share{can.draw(r), uint64(c.samples)}, active: share{act.draw(r), uint64(9 * c.samples)}, margin: 0.02, atLeast: 100,
			}).worse() {
				alarms++
			}
		}
		if alarms < runs*95/100 {
			t.Errorf("%v against %v in %d samples: %d of %d alarms", c.canary, c.base, c.samples, alarms, runs)
		}
	}
}

func TestWorse(t *testing.T) {
	for _, c := range []struct {
		what           string
		canary, active share
		margin         float64
		atLeast        uint64
		want           bool
	}{
		{"all of the least there may be", share{100, 100}, share{0, 1000}, 0.02, 100, true},
		{"too few samples", share{99, 99}, share{0, 1000}, 0.02, 100, false},
		{"nothing to compare with", share{50, 100}, share{}, 0.02, 100, true},
		{"nothing to compare with, nor to see", share{0, 100}, share{}, 0.02, 100, false},
		{"nothing at all", share{}, share{}, 0, 0, false},
		{"within the margin, for certain", share{119_000, 1_000_000}, share{100_000, 1_000_000}, 0.02, 100, false},
		{"beyond it, for certain", share{122_000, 1_000_000}, share{100_000, 1_000_000}, 0.02, 100, true},
		{"better", share{1, 1000}, share{900, 1000}, 0.02, 100, false},
		{"any worse rate, for certain", share{102_000, 1_000_000}, share{100_000, 1_000_000}, 0, 100, true},
		{"any worse rate, by chance", share{101, 1000}, share{100, 1000}, 0, 100, false},
		{"one bad day", share{4, 100}, share{0, 1_000_000}, 0, 100, false},
		{"few samples are wanted", share{3, 3}, share{0, 100}, 0.02, 3, true},
		{"a margin above 1", share{100, 100}, share{0, 100}, 2, 100, false},
	} {
		if got := (pair{c.canary, c.active, c.margin, c.atLeast}).worse(); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
