package bounds

import (
	"math"
	"slices"
	"time"
)

// forever is the timeout of who never closes, nanoseconds.
const forever = math.MaxInt64

// longest bounds prices: 2^32 ms, 50 days.
const longest = time.Duration(1<<32) * time.Millisecond

// marks are the timeouts that proxies come with.
func marks() []time.Duration {
	const s = time.Second
	return []time.Duration{0, s, 5 * s, 15 * s, 60 * s, 75 * s, 300 * s, 900 * s}
}

// curve returns the timeouts of the fixed curve, ascending: the marks, what
// else is asked for, 50 ms to 24 h by the preferred numbers R20 (ISO 3: steps
// of about 12 %), and forever.
func curve(more ...time.Duration) []int64 {
	r20 := []int64{100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900}
	list := []int64{forever}
	for _, d := range append(marks(), more...) {
		list = append(list, int64(max(d, 0)))
	}
	const day = int64(24 * time.Hour)
	for decade := int64(1e5); decade*100 <= day; decade *= 10 {
		for _, n := range r20 {
			if ns := n * decade; ns >= 50e6 && ns <= day {
				list = append(list, ns)
			}
		}
	}
	list = append(list, day)
	slices.Sort(list)
	return slices.Compact(list)
}

// fine returns the timeouts that a best one is looked for among, ascending:
// those of the curve, 128 an octave from 1 ms to 2^32 ms, and the round numbers
// that people's heartbeats come at.
func fine(curve []int64) []int64 {
	list := slices.Clone(curve)
	for n := int64(1); n < 256; n++ {
		list = append(list, n*1e6)
	}
	for octave := int64(2); octave <= 1<<24; octave *= 2 {
		for n := int64(128); n < 256; n++ {
			list = append(list, n*octave*1e6)
		}
	}
	for n := int64(1); n <= 180; n++ {
		list = append(list, n*int64(time.Second), 5*n*int64(time.Second), n*int64(time.Minute))
	}
	slices.Sort(list)
	return slices.Compact(list)
}
