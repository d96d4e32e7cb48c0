package bounds

import (
	"math"
	"testing"

	"idlehost/host/internal/lab/study"
)

// measured is what an independent reckoning found for real traffic, rounded:
// time held on average and the share of gaps that reconnect, in percent, of
// fixed timeouts of 1, 5, 15, 60, 75, 300 and 900 s; and by a reconnect's worth in
// seconds the timeout that was the best of a coarse grid, in seconds, and the
// costs of that and of ski rental in optima.
type measured struct {
	held, back [7]float64
	best       map[int64][3]float64
}

var timeouts = [7]int64{1000, 5000, 15_000, 60_000, 75_000, 300_000, 900_000}

func measurements() map[string]measured {
	return map[string]measured{
		"web1995-nasa": {
			[7]float64{0.5, 2.0, 4.5, 11.7, 13.5, 34, 77}, [7]float64{64, 43, 29, 13, 12, 5.4, 3.1},
			map[int64][3]float64{30: {10, 1.57, 1.84}, 120: {45, 1.66, 1.95}, 600: {180, 1.76, 2.55}},
		},
		"web2016-wordpress": {
			[7]float64{0.06, 0.25, 0.65, 2.1, 2.6, 9.2, 22}, [7]float64{74, 60, 48, 40, 40, 27, 24},
			map[int64][3]float64{30: {5, 1.43, 1.98}, 120: {20, 1.30, 2.14}, 600: {30, 1.35, 2.05}},
		},
		"api2012-cran": {
			[7]float64{0.2, 0.6, 1.1, 2.7, 3.1, 8.2, 20}, [7]float64{49, 26, 15, 7.2, 6.5, 3.9, 2.6},
			map[int64][3]float64{30: {10, 1.54, 1.78}, 120: {45, 1.59, 2.05}},
		},
		"dash2013-longpoll": {
			held: [7]float64{0.3, 1.2, 3.4, 7.2, 7.4, 11, 16}, back: [7]float64{91, 87, 80, 5.9, 3.8, 2.3, 1.6},
			best: map[int64][3]float64{30: {0.1, 1.23, 1.39}, 600: {75, 1.29, 1.55}},
		},
		"dns2018-wrccdc": {
			[7]float64{4.9, 16, 34, 67, 73, 139, 225}, [7]float64{19, 10, 5.6, 0.8, 0.6, 0.2, 0},
			map[int64][3]float64{30: {15, 1.62, 1.64}, 120: {60, 1.56, 1.82}, 600: {90, 1.89, 2.73}},
		},
	}
}

// rounded reports whether got is want, which was rounded to two or three
// figures.
func rounded(got, want float64) bool {
	step := 0.1
	switch {
	case want > 0 && want < 0.1:
		step = 0.01
	case want >= 10 && want == math.Trunc(want):
		step = 1
	}
	return math.Abs(got-want) <= step*0.55
}

func TestRealTrafficCostsWhatWasMeasured(t *testing.T) {
	for name, path := range recordings(t) {
		want, ok := measurements()[name]
		if !ok {
			t.Logf("%s: nothing to hold it against", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := traffic(t, path)
			c := r.census()
			s := r.survey(Config{WorthMs: 120_000, To: c.Span()})
			want.fixed(t, c, s.Bounds(0))
			want.prices(t, s)
		})
	}
}

func (m *measured) fixed(t *testing.T, c *Census, b study.Bounds) {
	for i, ms := range timeouts {
		p := pointOf(t, b.Fixed, ms)
		held, back := float64(p.HeldMs)*1e6/float64(c.Span()), percent(p.Premature, c)
		if !rounded(held, m.held[i]) || !rounded(back, m.back[i]) {
			t.Errorf("%d ms: %.2f held, %.2f %% come back too late; measured %v and %v", ms, held, back, m.held[i], m.back[i])
		}
	}
}

func (m *measured) prices(t *testing.T, s *Survey) {
	for worth, want := range m.best {
		b := s.Bounds(worth * 1000)
		optimum := float64(b.Clairvoyant.CostMs)
		coarse := s.all.fixed()[s.all.at(int64(want[0]*1e9))].cost(worth * 1000)
		fixed, rental := float64(coarse)/optimum, float64(b.SkiRental.CostMs)/optimum
		if math.Abs(fixed-want[1]) > 0.0051 || math.Abs(rental-want[2]) > 0.0051 || b.BestFixed.CostMs > coarse {
			t.Errorf("worth %d s: %v s costs %.3f, ski rental %.3f, the best %+v; measured %v", worth, want[0], fixed, rental, b.BestFixed, want)
		}
		if split := float64(b.SplitFixed.Fitted.CostMs) / float64(b.SplitFixed.Best.CostMs); worth < 600 && split > 1.075 {
			t.Errorf("worth %d s: fitted on half, %.3f of the other half's best; measured at most 1.07", worth, split)
		}
	}
}

func percent(n int64, c *Census) float64 { return 100 * float64(n) / float64(c.Trace().Gaps) }

func pointOf(t *testing.T, points []study.Point, ms int64) study.Point {
	t.Helper()
	for _, p := range points {
		if p.TimeoutMs == ms {
			return p
		}
	}
	t.Fatalf("the curve has no %d ms", ms)
	return study.Point{}
}

func TestHeartbeatsOfRealTraffic(t *testing.T) {
	path, ok := recordings(t)["dash2013-longpoll"]
	if !ok {
		t.Skip("there is no recording of long polls")
	}
	beats := traffic(t, path).census().Beats()
	for _, want := range []int64{25_000, 30_000, 60_000} {
		found := false
		for _, b := range beats {
			found = found || b.PeriodMs > want-500 && b.PeriodMs < want+500 && b.Gaps > 500
		}
		if !found {
			t.Errorf("no beat of %d ms among %+v", want, beats)
		}
	}
}
