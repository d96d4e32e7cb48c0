package lab

import "idlehost/host/internal/lab/study"

// points is how many moments of a recording are sampled.
const points = 400

// series samples how many connections are open, evenly over a span.
type series struct {
	step, next int64 // nanoseconds
	samples    []study.Sample
}

func newSeries(span int64) series { return series{step: max(span/points, 1e6)} }

// until reports the moment to be sampled next, if it comes by t.
func (s *series) until(t int64) (at int64, ok bool) {
	return s.next, s.next <= t && len(s.samples) <= points
}

func (s *series) add(open, idle int64) {
	s.samples = append(s.samples, study.Sample{AtMs: s.next / 1e6, Open: open, Idle: idle})
	s.next += s.step
}
