// Package bounds works out what the numbers of policies are held against: every
// fixed timeout, the best one in hindsight, the optimum of somebody who knows
// the future, and ski rental (Survey). And it takes the census of a recording: what there is in it, of what kinds its
// clients are, and what their heartbeats are (Census).
//
// All of it reads a recording by lanes (package demand) once, and holds what
// there is of clients and open lanes, not of records.
//
// The price: a rest of g costs min(g, timeout) of holding; one that is cut short
// and ends with the client's coming back costs a reconnect; a client that never
// comes back costs the holding only. What rests at the end is censored there.
// All sums are integers, in microseconds.
package bounds

import (
	"time"

	"idlehost/host/internal/lab/study"
	"idlehost/host/internal/trace"
)

// Config says what a Survey is to know.
type Config struct {
	// WorthMs is what a reconnect is worth, milliseconds of holding.
	WorthMs int64
	// From leaves rests out that began before, nanoseconds. To is where the
	// recording ends; 0: at its last record, and there are no halves.
	From, To int64
}

// Survey works out the bounds from the records of one pass. Its methods are for
// one goroutine.
type Survey struct {
	cfg    Config
	middle int64 // 0: there are no halves
	walk   walker

	all, first, second lengths
	queue              queue
	clocks             *clocks
}

// New returns a Survey that has seen nothing yet.
func New(cfg Config) *Survey {
	cfg.WorthMs = payable(cfg.WorthMs)
	worth := time.Duration(cfg.WorthMs) * time.Millisecond
	on := curve(worth)
	grid := fine(on)
	s := &Survey{cfg: cfg, walk: newWalker(cfg.To), all: newLengths(grid), clocks: newClocks(on)}
	if cfg.To > cfg.From {
		s.middle = cfg.From + (cfg.To-cfg.From)/2
		s.first, s.second = newLengths(grid), newLengths(grid)
	}
	return s
}

// payable keeps prices within what sums can bear.
func payable(worthMs int64) int64 { return min(max(worthMs, 0), int64(longest/time.Millisecond)) }

// Add takes the next record of a recording by lanes.
func (s *Survey) Add(r *trace.Record) { s.walk.walk(r, s) }

// Finish cuts off what is open at the end and returns the bounds. Nothing is
// added afterwards.
func (s *Survey) Finish() study.Bounds {
	s.walk.finish(s)
	return s.Bounds(s.cfg.WorthMs)
}

func (s *Survey) rested(l *lane) {
	s.clocks.advance(s.walk.now)
	s.queue.push(l, s.walk.now)
	s.clocks.push(l)
}

func (s *Survey) returned(l *lane, from, to int64, gap bool) {
	if gap && from >= s.cfg.From {
		s.measure(from, to, true)
	}
	s.unqueue(l)
}

func (s *Survey) left(l *lane, from, to int64) {
	if from >= s.cfg.From {
		s.measure(from, to, false)
	}
	s.unqueue(l)
}

func (s *Survey) dropped(l *lane) { s.unqueue(l) }

// unqueue ends a rest.
func (s *Survey) unqueue(l *lane) {
	s.clocks.advance(s.walk.now)
	s.clocks.remove(l)
	s.queue.remove(l)
}

// measure takes a rest. A timeout that is fitted on the first half may know of
// it what is known in the middle; it is judged by rests that begin afterwards.
func (s *Survey) measure(from, to int64, back bool) {
	s.all.add(to-from, back)
	switch {
	case s.middle == 0:
	case from >= s.middle:
		s.second.add(to-from, back)
	default:
		s.first.add(min(to, s.middle)-from, back && to <= s.middle)
	}
}
