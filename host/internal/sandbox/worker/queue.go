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
	batch uint64           // number of the last that was taken
}

// line is one tenant's part: first in, first out.
type line struct {
	tenant string
	qs     []*question
	batch  uint64        // the last in which it had a turn
	spent  time.Duration // what it is expected to take of that
}

const (
	// tenantShare is the processor time that a tenant may be expected to take of
	// a batch, beyond its first question.
	tenantShare = time.Millisecond
	// batchTime is the same of all of them together: others wait for so long.
	batchTime = 5 * time.Millisecond
	// longestTurn is the longest that a turn of a tenant is beyond its part of the
	// batch: some dozen questions of a small guest.
	longestTurn = 25 * time.Microsecond
	// besideCost is what a question takes beside its guest's time.
	besideCost = time.Microsecond
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

// putOff puts back those for which a batch has no room. Their tenants' turns come
// first.
func (q *queue) putOff(xs []*question) {
	q.putBack(xs)
	var first []*line
	for _, x := range xs {
		if l := q.lines[x.guest.tenant]; !slices.Contains(first, l) {
			first = append(first, l)
		}
	}
	if len(first) > 0 {
		q.turns = append(first, slices.DeleteFunc(q.turns, func(l *line) bool { return slices.Contains(first, l) })...)
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

// take appends a batch of at most n questions to batch. Tenants have turns, one
// after the other, for as long as there is room: those whose turn has not come are
// first the next time.
func (q *queue) take(batch []*question, n int) []*question {
	n = min(n, q.n)
	q.batch++
	bounds := turnBounds(n, len(q.turns))
	var full []*line // that have had their share of the batch
	for left := batchTime; n > 0 && left > 0 && len(q.turns) > 0; {
		l := q.turns[0]
		q.turns = q.turns[1:]
		had := len(batch)
		var took time.Duration
		batch, took = l.turn(batch, q.batch, n, bounds)
		had = len(batch) - had
		left -= took
		n -= had
		q.n -= had
		switch {
		case len(l.qs) == 0:
			delete(q.lines, l.tenant)
		case had == 0:
			full = append(full, l)
		default:
			q.turns = append(q.turns, l)
		}
	}
	q.turns = append(q.turns, full...)
	return batch
}

// bounds are those of a turn, beyond its first question.
type bounds struct {
	questions int           // an equal part of the batch; more where they take less than longestTurn
	time      time.Duration // the turns of all take batchTime
}

// turnBounds are those where so many tenants wait for a batch of n questions. A
// change of the guest takes as much as a small question, so that turns are long.
func turnBounds(n, tenants int) bounds {
	tenants = max(tenants, 1)
	return bounds{questions: n / tenants, time: batchTime / time.Duration(tenants)}
}

// turn appends what a tenant may ask in one turn of a batch, most questions at the
// most. It returns what their guests are expected to take.
func (l *line) turn(batch []*question, number uint64, most int, of bounds) (_ []*question, took time.Duration) {
	if l.batch != number {
		l.batch, l.spent = number, 0
	}
	n, turn := 0, time.Duration(0)
	for n < min(most, len(l.qs)) {
		cost := l.qs[n].guest.cost()
		turn += cost + besideCost
		if l.spent > 0 && l.spent+cost > tenantShare ||
			n > 0 && (turn > of.time || n >= of.questions && turn > longestTurn) {
			break
		}
		l.spent += cost
		took += cost
		n++
	}
	batch = append(batch, l.qs[:n]...)
	clear(l.qs[:n])
	l.qs = l.qs[n:]
	return batch, took
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
