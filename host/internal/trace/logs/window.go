package logs

// window puts requests in order of their beginning, as far as they come out of
// order by no more than a span of the log's time, or a number of requests.
type window struct {
	span  int64 // nanoseconds
	limit int

	high  int64 // the latest time that was logged
	floor int64 // when the last request that left began
	seq   uint64

	// Logs are almost sorted: what comes in order waits in run, from head on,
	// and only what does not is sorted.
	run  []waiting
	head int
	late queue[waiting]
}

// waiting is a request in the window; of those that begin together the first
// in the log leaves first.
type waiting struct {
	row
	seq uint64
}

func (w waiting) before(o *waiting) bool { return w.at < o.at || w.at == o.at && w.seq < o.seq }

// fate is what became of a request.
type fate uint8

const (
	taken   fate = iota
	late         // it begins later than it did
	tooLate      // it is left out
)

func (w *window) len() int { return len(w.run) - w.head + len(w.late) }

// push takes a request. After those that have left, it is cut to what is left
// of it, if anything is.
func (w *window) push(r *row) fate {
	was := taken
	if r.at < w.floor {
		if r.end() <= w.floor {
			return tooLate
		}
		r.length -= w.floor - r.at
		r.at = w.floor
		was = late
	}
	w.high = max(w.high, r.logged)
	w.seq++
	switch v := (waiting{*r, w.seq}); {
	case w.head == len(w.run):
		w.run, w.head = append(w.run[:0], v), 0
	case w.run[len(w.run)-1].at <= v.at:
		w.append(v)
	default:
		w.late.push(v)
	}
	return was
}

// append moves the run to the front of its memory before it grows.
func (w *window) append(v waiting) {
	if len(w.run) == cap(w.run) && w.head > len(w.run)/2 {
		n := copy(w.run, w.run[w.head:])
		w.run, w.head = w.run[:n], 0
	}
	w.run = append(w.run, v)
}

// ready reports whether the first request may leave: nothing that comes can
// still be in front of it, or there is no more room.
func (w *window) ready() bool {
	n := w.len()
	return n > w.limit || n > 0 && w.first().at <= w.high-w.span
}

// first returns the first request; there is one.
func (w *window) first() *waiting {
	if w.head == len(w.run) || len(w.late) > 0 && w.late[0].before(&w.run[w.head]) {
		return &w.late[0]
	}
	return &w.run[w.head]
}

// pop removes the first request; there is one.
func (w *window) pop() row {
	var v waiting
	if f := w.first(); w.head < len(w.run) && f == &w.run[w.head] {
		v = *f
		w.head++
	} else {
		v = w.late.pop()
	}
	w.floor = v.at
	return v.row
}
