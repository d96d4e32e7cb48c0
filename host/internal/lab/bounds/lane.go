package bounds

import (
	"idlehost/host/internal/lab/demand"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/sdk/abi"
)

// Silence is what counts as a gap in a tunnel, nanoseconds: bytes that go on
// passing have a record as often.
const Silence = int64(250e6)

// lane is one client's use of a connection for as long as only the host has
// ended it in between (see package demand).
type lane struct {
	client   uint64
	side     policy.Side
	protocol policy.Protocol
	inflight int
	used     bool  // a request was made
	tunnel   bool  // bytes, not requests, are what keeps it busy
	resting  bool  // nothing is under way
	since    int64 // since when, nanoseconds

	// What follows is the queue's, and what reads it.
	prev, next *lane
	queued     int64  // when it began to rest, by a clock that does not step back
	turn       uint64 // of all events, which one that was
}

// watcher is told of a lane's rests, in the order of the records.
type watcher interface {
	// rested: nothing is under way since l.since.
	rested(l *lane)
	// returned: a rest that began at from ended at to with the client's coming
	// back. gap says that it is one between two uses, or after an idle opening.
	returned(l *lane, from, to int64, gap bool)
	// left: a rest that began at from ended at to with the lane, or with the
	// recording. Nobody came back.
	left(l *lane, from, to int64)
	// dropped: what looked like a rest was none.
	dropped(l *lane)
}

// walker follows a recording's lanes from record to record.
type walker struct {
	to    int64 // 0: the end of the recording
	now   int64 // the latest time of any record
	lanes map[uint64]*lane
	ended bool // a record past to was seen
}

func newWalker(to int64) walker { return walker{to: to, lanes: map[uint64]*lane{}} }

// walk takes one record of a trace.Source by lanes.
func (w *walker) walk(r *trace.Record, to watcher) {
	switch r.Kind {
	case trace.KindOpen, trace.KindBegin, trace.KindEnd, trace.KindPhase, trace.KindBurst, trace.KindClose:
	default:
		return
	}
	if w.ended = w.ended || w.to > 0 && r.Time > w.to; w.ended {
		return
	}
	w.now = max(w.now, r.Time)
	if r.Kind == trace.KindOpen {
		w.open(r, to)
		return
	}
	l := w.lanes[r.Conn]
	if l == nil {
		return
	}
	switch r.Kind {
	case trace.KindBegin:
		l.wake(r.Time-r.Since, to)
		l.used = true
		l.inflight++
	case trace.KindEnd:
		if l.inflight > 0 {
			if l.inflight--; l.inflight == 0 {
				l.rest(r.Time, to)
			}
		}
	case trace.KindPhase:
		l.phase(r, to)
	case trace.KindBurst:
		l.burst(r, to)
	case trace.KindClose:
		w.close(l, r, to)
	}
}

// open begins a lane. That a client has connected again, to a host that had
// closed, is the recorded host's doing: it goes on resting.
func (w *walker) open(r *trace.Record, to watcher) {
	if l := w.lanes[r.Conn]; l != nil {
		l.tunnel, l.protocol = false, r.Protocol
		if !l.resting {
			l.inflight = 0
			l.rest(r.Time, to)
		}
		return
	}
	l := &lane{client: r.Client, side: r.Side, protocol: r.Protocol, tunnel: piped(r.Phase)}
	w.lanes[r.Conn] = l
	switch r.Phase {
	case abi.PhaseBody, abi.PhaseUpstream, abi.PhaseWrite: // found in the middle of a request
		l.inflight, l.used = 1, true
	default:
		l.rest(r.Time, to)
	}
}

func (w *walker) close(l *lane, r *trace.Record, to watcher) {
	if demand.Cut(r) {
		return
	}
	delete(w.lanes, r.Conn)
	if l.resting {
		l.resting = false
		to.left(l, l.quiet(r), r.Time)
	}
}

// finish ends what rests, with the recording.
func (w *walker) finish(to watcher) {
	w.now = max(w.now, w.to)
	for _, l := range w.lanes {
		if l.resting {
			l.resting = false
			to.left(l, l.since, w.now)
		}
	}
	w.lanes = map[uint64]*lane{}
}

func (l *lane) rest(at int64, to watcher) {
	l.resting, l.since = true, at
	to.rested(l)
}

func (l *lane) wake(at int64, to watcher) {
	if !l.resting {
		return
	}
	l.resting = false
	to.returned(l, l.since, max(at, l.since), l.used || at > l.since)
}

// phase: of all phases only tunnels say what Begin and End do not.
func (l *lane) phase(r *trace.Record, to watcher) {
	if r.Protocol != 0 {
		l.protocol = r.Protocol
	}
	if !piped(r.Phase) || l.tunnel {
		return
	}
	l.tunnel, l.used, l.inflight = true, true, 0
	if l.resting {
		to.dropped(l)
	}
	l.rest(r.Time, to)
}

func (l *lane) burst(r *trace.Record, to watcher) {
	if !l.resting {
		return
	}
	from := l.quiet(r)
	l.resting, l.used = false, true
	to.returned(l, from, max(r.Time, from), r.Time-from >= Silence)
	l.rest(r.Time, to)
}

// quiet is since when a lane rests that a record says to have been silent for
// Since: of bytes that pass in a tunnel there is a record only after a silence.
func (l *lane) quiet(r *trace.Record) int64 {
	if l.tunnel {
		return max(l.since, min(r.Time-r.Since, r.Time))
	}
	return l.since
}

func piped(p policy.Phase) bool { return p == abi.PhaseTunnel || p == abi.PhaseHalfClosed }
