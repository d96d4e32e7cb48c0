package books

import "sync/atomic"

// stage is how well a client is known: who has just come mostly leaves, who has
// come back often will again. Gaps of one stage are kept apart from the others',
// or the few regulars, who send most requests, would speak for everybody.
type stage uint8

// The stages by how many gaps of the client were noted before: 0, from 1, from
// 4, from 16 on.
const stageCount = 4

// enough is how many gaps make a stage's histogram worth more than that of the
// next stage with so many.
const enough = 32

func stageOf(gaps uint32) stage {
	switch {
	case gaps == 0:
		return 0
	case gaps < 4:
		return 1
	case gaps < 16:
		return 2
	}
	return 3
}

// stages are the histograms of one route class; nil: no gap was noted.
type stages [stageCount]atomic.Pointer[histogram]

// at returns the histogram of a stage, new if need be.
func (s *stages) at(n stage, b blank, route uint16) *histogram {
	seat := &s[n]
	if h := seat.Load(); h != nil {
		return h
	}
	seat.CompareAndSwap(nil, b.histogram(route, n))
	return seat.Load()
}

// nearest returns the histogram that says most about a client at stage n: its
// own or the nearest, the less acquainted first, of enough gaps; where none has
// enough, that of the most. nil: no gap was noted.
func (s *stages) nearest(n stage) *histogram {
	var most *histogram
	for distance := range int(stageCount) {
		for _, at := range [...]int{int(n) - distance, int(n) + distance} {
			if at < 0 || at >= stageCount {
				continue
			}
			h := s[at].Load()
			if h == nil {
				continue
			}
			if h.noted.Load() >= enough {
				return h
			}
			if most == nil || h.noted.Load() > most.noted.Load() {
				most = h
			}
		}
	}
	return most
}
