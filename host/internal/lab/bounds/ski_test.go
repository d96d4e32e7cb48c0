package bounds

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestExp(t *testing.T) {
	for u := 0.0; u <= 1; u += 1.0 / 512 {
		if got, want := exp(u), math.Exp(u); math.Abs(got-want) > 1e-15*4 {
			t.Errorf("e^%v = %v, want %v", u, got, want)
		}
	}
}

// TestDrawnIsTheExpectation integrates over the deadlines.
func TestDrawnIsTheExpectation(t *testing.T) {
	const worth, steps = 1000.0, 100_000
	for _, g := range []float64{0, 1, 250, 700, 999, 1000, 5000} {
		var held, cut float64
		for i := range steps {
			z := (float64(i) + 0.5) / steps * worth
			p := math.Exp(z/worth) / (math.E - 1) / steps
			held += p * min(g, z)
			if z < g {
				cut += p
			}
		}
		gotHeld, gotCut := drawn(g, worth)
		if math.Abs(gotHeld-held) > 0.02 || math.Abs(gotCut-cut) > 2e-5 {
			t.Errorf("%v: held %v, cut %v; want %v and %v", g, gotHeld, gotCut, held, cut)
		}
	}
}

// TestSkiRentalKeepsItsPromises: of the optimum on gaps that end with the
// client's coming back, the one costs at most twice, the other e/(e-1).
func TestSkiRentalKeepsItsPromises(t *testing.T) {
	const worth = 10_000
	r := rand.New(rand.NewPCG(12, 12))
	for range 12 {
		var rec recording
		scale := math.Exp(r.Float64() * 10)
		for lane := range uint64(50) {
			gaps := make([]int64, 40)
			for i := range gaps {
				gaps[i] = int64(scale * math.Exp(2*r.NormFloat64()))
			}
			rec.many(lane+1, gaps...)
		}
		s := rec.survey(Config{WorthMs: worth})
		for i := range s.all.bins { // only what comes back
			s.all.bins[i].gone, s.all.bins[i].goneUs = 0, 0
		}
		b := s.Bounds(worth)
		optimum := float64(b.Clairvoyant.CostMs)
		if rental := float64(b.SkiRental.CostMs) / optimum; rental > 2 {
			t.Errorf("ski rental: %v of the optimum", rental)
		}
		if random := float64(b.SkiRandom.CostMs) / optimum; math.Abs(random-math.E/(math.E-1)) > 0.001 {
			t.Errorf("random ski rental: %v of the optimum, expected e/(e-1)", random)
		}
	}
}
