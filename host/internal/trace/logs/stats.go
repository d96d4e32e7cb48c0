package logs

import (
	"fmt"
	"strings"
	"time"
)

// Stats is what has been read so far.
type Stats struct {
	Format    string // "TSV", "Common", "Combined", "JSON (Caddy)" and the like
	Rows      int64  // requests in the log, those left out included
	Clients   int64  // connections made of them, those of tunnels not included
	Tunnels   int64  // connections of their own: WebSocket, CONNECT
	Forgotten int64  // clients of whom there were too many to remember

	Bad       int64    // lines that say nothing, or nonsense
	BadAt     []string // the first of them: where, and why
	Dropped   int64    // requests too old for the window
	DroppedAt string   // where the first is
	Shortened int64    // requests that begin later than they did, for the same reason

	First, Last time.Time // of the requests' times as logged
	// Clock is what the log's times are multiples of: a second, a millisecond,
	// a microsecond or a nanosecond.
	Clock time.Duration
	// Unitless: there are durations, but not in what unit: they are left out.
	Unitless bool
	// Dated: the times are dates, and not counted from the log's beginning.
	Dated bool
}

// Notes are sentences on what a recording made of the log cannot tell, and on
// what was left out.
func (s *Stats) Notes() (notes []string) {
	say := func(when bool, format string, args ...any) {
		if when {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	say(true, "made from a log: each client is one connection, which is the best case for reuse, and is never seen closing")
	say(s.Clock == time.Second, "the log counts whole seconds: shorter gaps are not known")
	say(s.Bad > 0, "lines that could not be read: %d, the first: %s", s.Bad, strings.Join(s.BadAt, "; "))
	say(s.Dropped > 0, "requests left out, for they came too late in the log: %d, the first at %s", s.Dropped, s.DroppedAt)
	say(s.Dropped*10 > s.Rows, "so many lines are older than those before them that the logs may not be in order: the oldest goes first")
	say(s.Shortened > 0, "requests taken for shorter than they were, for they were logged long after they began: %d", s.Shortened)
	say(s.Forgotten > 0, "clients that count as new ones if they came back, for they had been away too long to be remembered: %d", s.Forgotten)
	say(s.Unitless, "the log's durations have no unit that is known: requests take no time")
	return notes
}

// badNamed bounds how many bad lines are named.
const badNamed = 5

// clock takes note of a time.
func (s *Stats) clock(ns int64) {
	for s.Clock > 1 && ns%int64(s.Clock) != 0 {
		s.Clock /= 1000
	}
}
