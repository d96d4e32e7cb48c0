package idle

import (
	"time"

	"idlehost/host/internal/policy"
)

// gaps are the times between the requests of one connection. The mu of the Conn
// guards them. Create them with noGaps.
type gaps struct {
	start int64 // when the last request ended; -1: none has
	// end is when the first byte after start came; -1: not yet. Of a tunnel, it
	// is when a burst was told last.
	end   int64
	count uint32
	last  uint32 // milliseconds, like the next two
	mean  uint32 // each gap weighs an eighth
	max   uint32
}

// noGaps are those of a connection that has served no request.
func noGaps() gaps { return gaps{start: -1, end: -1} }

// begin says that the last request under way has ended.
func (g *gaps) begin(now int64) { g.start, g.end = now, -1 }

// open reports whether a request has ended and none has begun since.
func (g *gaps) open() bool { return g.start >= 0 }

// close ends the gap, if one is open, and counts it. It returns how long the gap
// was, and when the first byte after it came; -1: none has. It asks now for the
// time only where no byte ended the gap.
func (g *gaps) close(now func() int64) (gap time.Duration, came int64, ok bool) {
	came = g.end
	if !g.open() {
		g.end = -1
		return 0, came, false
	}
	if came < g.start {
		came = now()
	}
	gap = time.Duration(max(came-g.start, 0))
	g.start, g.end = -1, -1
	g.add(policy.Millis(gap))
	return gap, came, true
}

// add counts a gap of so many milliseconds.
func (g *gaps) add(ms uint32) {
	g.count++
	g.last, g.max = ms, max(g.max, ms)
	if g.count == 1 {
		g.mean = ms
	} else {
		g.mean = uint32((7*uint64(g.mean) + uint64(ms)) / 8)
	}
}
