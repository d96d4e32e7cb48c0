package lab

import "idlehost/host/internal/lab/study"

// points is into how many parts a recording is divided.
const points = 400

// series tells how many connections were open at most, in each of as many parts
// of a span: memory is bought for the peak, which moments would miss.
type series struct {
	step, next int64 // nanoseconds
	open, idle int64 // most, in the part that ends at next
	samples    []study.Sample
}

func newSeries(span int64) series { return series{step: max(span/points, 1e6)} }

// until reports the end of the part, if it comes by t.
func (s *series) until(t int64) (at int64, ok bool) {
	return s.next, s.next <= t && len(s.samples) <= points
}

// sees takes in how many connections are open.
func (s *series) sees(open, idle int64) { s.open, s.idle = max(s.open, open), max(s.idle, idle) }

// add ends a part, at the end of which so many are open.
func (s *series) add(open, idle int64) {
	s.sees(open, idle)
	s.samples = append(s.samples, study.Sample{AtMs: s.next / 1e6, Open: s.open, Idle: s.idle})
	s.next += s.step
	s.open, s.idle = open, idle
}
