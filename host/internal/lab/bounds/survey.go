package bounds

import (
	"slices"
	"time"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/trace"
)

// Config says what a Survey is to know.
type Config struct {
	// WorthMs is what a reconnect is worth, milliseconds of holding.
	WorthMs int64
	// From leaves gaps out that began before, nanoseconds. To is where the
	// recording ends.
	From, To int64
	// Limits are the limits on connections that are tried; nil: standard ones.
	Limits []int64
	// Length tells of every gap, by number, when it ends, counted from its
	// start in milliseconds; nil: Belady is left out.
	Length func(number int64) uint32
}

// Endless is what Config.Length says of a gap that no request ends.
const Endless = ^uint32(0)

var standardLimits = []int64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}

// Survey works out the bounds from the records of one pass.
type Survey struct {
	cfg    Config
	gaps   *gaps
	total  curve
	halves [2]curve
	ski    ski
	peaks  *peaks
	lru    []*lru
	belady []*belady
}

// New returns a Survey.
func New(cfg Config) *Survey {
	if cfg.Limits == nil {
		cfg.Limits = standardLimits
	}
	all := grid()
	coarse := []int64{Forever}
	for _, m := range marks {
		coarse = append(coarse, int64(m))
	}
	slices.Sort(coarse)
	s := &Survey{
		cfg: cfg, total: newCurve(all), halves: [2]curve{newCurve(all), newCurve(all)},
		ski: ski{worth: cfg.WorthMs * int64(time.Millisecond)}, peaks: newPeaks(coarse),
	}
	for _, k := range cfg.Limits {
		s.lru = append(s.lru, newLRU(k))
		if cfg.Length != nil {
			s.belady = append(s.belady, newBelady(k, s.endOf))
		}
	}
	s.gaps = newGaps(s)
	return s
}

// Add takes the next record.
func (s *Survey) Add(r *trace.Record) {
	if s.cfg.To > 0 && r.Time > s.cfg.To {
		return
	}
	s.gaps.add(r)
}

// endOf is when a gap ends; Forever if no request ends it.
func (s *Survey) endOf(g *gap) int64 {
	if ms := s.cfg.Length(g.numbered); ms != Endless {
		return g.start + int64(ms)*1e6
	}
	return Forever
}

func (s *Survey) begun(g *gap) {
	s.peaks.begun(g)
	for _, l := range s.lru {
		l.begun(g)
	}
	for _, b := range s.belady {
		b.begun(g)
	}
}

func (s *Survey) ended(g *gap) {
	s.peaks.ended(g)
	for _, l := range s.lru {
		l.ended(g)
	}
	for _, b := range s.belady {
		b.ended(g)
	}
	if g.ended == void || g.start < s.cfg.From {
		return
	}
	length, back := g.end-g.start, g.ended == returned
	s.total.add(length, back)
	s.ski.add(length, back)
	half := 0
	if g.start >= s.cfg.From+(s.cfg.To-s.cfg.From)/2 {
		half = 1
	}
	s.halves[half].add(length, back)
}

// Finish cuts off what is open at the end and returns the bounds.
func (s *Survey) Finish() study.Bounds {
	s.gaps.finish(s.cfg.To)
	worth := s.cfg.WorthMs
	b := study.Bounds{LRU: []study.Point{}, Belady: []study.Point{}}
	points := s.total.points(worth)
	b.BestFixed = best(points)
	for i, t := range s.total.grid {
		if at, ok := slices.BinarySearch(s.peaks.timeouts, t); ok {
			points[i].PeakOpen = s.peaks.peak[at]
		}
	}
	b.Fixed = points
	fitted := best(s.halves[0].points(worth))
	later := s.halves[1].points(worth)
	b.SplitFixed.Best = best(later)
	for _, p := range later {
		if p.TimeoutMs == fitted.TimeoutMs {
			b.SplitFixed.Fitted = p
		}
	}
	b.Clairvoyant, b.SkiRental, b.SkiRandom = s.ski.points()
	for _, l := range s.lru {
		b.LRU = append(b.LRU, l.point(worth))
	}
	for _, l := range s.belady {
		b.Belady = append(b.Belady, l.point(worth))
	}
	return b
}
