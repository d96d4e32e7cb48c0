package bounds

// queue are the lanes that rest, the longest resting first. What a clock
// holds is always an end of it: the youngest.
type queue struct {
	first, last *lane
	turns       uint64 // events so far
}

func (q *queue) push(l *lane, now int64) {
	q.turns++
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
