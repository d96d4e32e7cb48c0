package bounds

import (
	"slices"

	"idlehost/host/internal/lab/study"
)

// Bounds returns the bounds under a price of a reconnect, in milliseconds of
// holding, after Finish; of prices that are not the Survey's own, optimum and
// ski rental are of one at most 0.8 % lower.
//
// A timeout of -1 never closes. Peaks are exact on the curve; the best timeouts,
// which may lie between, have that of the next longer one. Who knows the future,
// and who draws at random, have none.
func (s *Survey) Bounds(worthMs int64) study.Bounds {
	worthMs = payable(worthMs)
	sums := s.all.fixed()
	worth := s.all.at(worthMs * 1e6)
	b := study.Bounds{
		Fixed: s.curve(sums, worthMs), BestFixed: s.point(&s.all, sums, best(sums, worthMs), worthMs),
		Clairvoyant: s.all.clairvoyant(worth).point(worthMs),
		SkiRental:   s.point(&s.all, sums, worth, worthMs),
		SkiRandom:   s.all.skiRandom(worthMs),
	}
	if s.middle > 0 {
		b.SplitFixed = s.split(worthMs)
	}
	return b
}

func (s *Survey) curve(sums []sum, worthMs int64) []study.Point {
	list := make([]study.Point, 0, len(s.clocks.timeouts))
	for _, t := range s.clocks.timeouts {
		list = append(list, s.point(&s.all, sums, s.all.at(t), worthMs))
	}
	return list
}

func (s *Survey) split(worthMs int64) study.Split {
	fitted, sums := best(s.first.fixed(), worthMs), s.second.fixed()
	return study.Split{
		Fitted: s.point(&s.second, sums, fitted, worthMs),
		Best:   s.point(&s.second, sums, best(sums, worthMs), worthMs),
	}
}

// point returns what the i-th timeout of the grid costs.
func (s *Survey) point(h *lengths, sums []sum, i int, worthMs int64) study.Point {
	p := sums[i].point(worthMs)
	if p.TimeoutMs = h.grid[i] / 1e6; h.grid[i] == forever {
		p.TimeoutMs = -1
	}
	k, _ := slices.BinarySearch(s.clocks.timeouts, h.grid[i])
	p.PeakOpen = s.clocks.peak(k)
	return p
}
