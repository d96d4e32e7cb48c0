package worker

import (
	"slices"
	"time"
)

// queue holds the questions that are to be asked in a worker, by tenant. The
// pool's lock guards it.
type queue struct {
	lines map[string]*line // those with questions
	turns []*line          // the same, in the order of their turns
	n     int              // questions
}

// line is one tenant's part: first in, first out.
type line struct {
	tenant string
	qs     []*question
}

const (
	// tenantShare is the processor time that a tenant may be expected to take of
	// a batch, beyond its first question.
	tenantShare = time.Millisecond
	// batchTime is the same of all of them together: others wait for so long.
	batchTime = 5 * time.Millisecond
	// unknownCost is expected of a guest that was never asked.
	unknownCost = 100 * time.Microsecond
)

func (q *queue) push(x *question) {
	l := q.line(x.guest.tenant)
	l.qs = append(l.qs, x)
	q.n++
}

// putBack puts questions in front, in their order: they were not asked.
func (q *queue) putBack(xs []*question) {
	q.n += len(xs)
	for end := len(xs); end > 0; {
		l, start := q.line(xs[end-1].guest.tenant), end-1
		for start > 0 && xs[start-1].guest.tenant == l.tenant {
			start--
		}
		l.qs = slices.Insert(l.qs, 0, xs[start:end]...)
		end = start
	}
}

// line returns a tenant's, whose turn comes last if it is new.
func (q *queue) line(tenant string) *line {
	l := q.lines[tenant]
	if l == nil {
		l = &line{tenant: tenant}
		if q.lines == nil {
			q.lines = map[string]*line{}
		}
		q.lines[tenant] = l
		q.turns = append(q.turns, l)
	}
	return l
}

// take appends a batch of at most n questions to batch. Tenants have turns: each
// gets an equal part of the batch, and of the time that it is expected to take;
// what some leave is for those that have more. Those whose turn has not come are
// first the next time; where all had one, the first is last then.
func (q *queue) take(batch []*question, n int) []*question {
	n = min(n, q.n)
	var left time.Duration = batchTime
	spent := make([]time.Duration, len(q.turns))
	reached := 0 // of the turns
	for took := true; took && n > 0 && left > 0; {
		took = false
		share := max(n/max(len(q.turns), 1), 1)
		for i, l := range q.turns {
			for k := 0; k < share && n > 0 && len(l.qs) > 0; k++ {
				cost := l.qs[0].guest.cost()
				if spent[i] > 0 && spent[i]+cost > tenantShare {
					break
				}
				batch = append(batch, l.qs[0])
				l.qs[0] = nil
				l.qs = l.qs[1:]
				spent[i] += cost
				left -= cost
				n--
				q.n--
				took = true
				reached = max(reached, i+1)
			}
			if left <= 0 {
				break
			}
		}
	}
	if reached == len(q.turns) {
		reached = 1
	}
	q.turn(reached)
	return batch
}

// turn has so many turns come last, and forgets tenants without questions.
func (q *queue) turn(n int) {
	if n < len(q.turns) {
		q.turns = append(q.turns[n:], q.turns[:n]...)
	}
	q.turns = slices.DeleteFunc(q.turns, func(l *line) bool {
		if len(l.qs) == 0 {
			delete(q.lines, l.tenant)
		}
		return len(l.qs) == 0
	})
}

// remove takes out a guest's questions.
func (q *queue) remove(g *Guest) (out []*question) {
	l := q.lines[g.tenant]
	if l == nil {
		return nil
	}
	l.qs = slices.DeleteFunc(l.qs, func(x *question) bool {
		if x.guest == g {
			out = append(out, x)
		}
		return x.guest == g
	})
	q.n -= len(out)
	return out
}

// drain takes out all.
func (q *queue) drain() (out []*question) {
	for _, l := range q.turns {
		out = append(out, l.qs...)
	}
	*q = queue{}
	return out
}
