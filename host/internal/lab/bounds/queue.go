package bounds

// queue are the lanes that rest, the longest resting first. What a clock or a
// limit without exceptions holds is always an end of it: the youngest.
type queue struct {
	first, last *lane
	turns       uint64 // events so far
	resting     int64
}

func (q *queue) push(l *lane, now int64) {
	q.turns++
	q.resting++
	l.turn, l.queued = q.turns, now
	if l.prev, l.next = q.last, nil; q.last != nil {
		q.last.next = l
	} else {
		q.first = l
	}
	q.last = l
}

func (q *queue) remove(l *lane) {
	q.turns++
	q.resting--
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		q.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		q.last = l.prev
	}
	l.prev, l.next = nil, nil
}

// window is the part of the queue that one rule holds.
type window struct {
	oldest *lane // nil: it is empty
	held   int64
	peak   int64
}

// push has the window hold the lane that was just queued.
func (w *window) push(l *lane) {
	if w.held++; w.held == 1 {
		w.oldest = l
	}
	w.peak = max(w.peak, w.held)
}

// drop closes the oldest and returns it.
func (w *window) drop() *lane {
	l := w.oldest
	w.oldest = l.next
	w.held--
	return l
}

// holds reports whether a queued lane is in the window.
func (w *window) holds(l *lane) bool { return w.oldest != nil && l.turn >= w.oldest.turn }

// remove takes a lane out that the window holds and the queue still has.
func (w *window) remove(l *lane) {
	if w.held--; w.oldest == l {
		w.oldest = l.next
	}
}
