package worker

import (
	"maps"
	"slices"
	"time"
)

// queue holds the questions that are to be asked in a worker, by tenant. The
// pool's lock guards it.
type queue struct {
	lines  map[string]*line // those with questions
	turns  []*line          // the same, in the order of their turns: of those that have taken least first
	n      int              // questions
	batch  uint64           // number of the last that was taken
	usages map[string]usage // by tenant
}

// line is one tenant's part: first in, first out.
type line struct {
	tenant string
	qs     []*question
	batch  uint64        // the last in which it had a turn
	spent  time.Duration // what it is expected to take of that
	usage  time.Duration // of its tenant when it was given its turn
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
		q.await(l, time.Now())
	}
	return l
}

// await gives a tenant its next turn: before those that have taken more, and after
// all others that wait already.
func (q *queue) await(l *line, now time.Time) {
	l.usage = q.usageOf(l.tenant, now).at(now)
	i := slices.IndexFunc(q.turns, func(other *line) bool { return other.usage > l.usage })
	if i < 0 {
		i = len(q.turns)
	}
	q.turns = slices.Insert(q.turns, i, l)
}

// usageOf returns what is known of a tenant. One of which nothing is known comes
// after those that are known to take little.
func (q *queue) usageOf(tenant string, now time.Time) usage {
	if u, ok := q.usages[tenant]; ok {
		return u
	}
	return usage{unknownUsage, now}
}

// use notes what questions of a tenant have taken, which may put off its next turn.
func (q *queue) use(tenant string, cpu time.Duration, now time.Time) {
	if q.usages == nil {
		q.usages = map[string]usage{}
	}
	q.usages[tenant] = q.usageOf(tenant, now).plus(cpu, now)
	if l := q.lines[tenant]; l != nil {
		q.turns = slices.DeleteFunc(q.turns, func(other *line) bool { return other == l })
		q.await(l, now)
	}
	if len(q.usages) > 2*len(q.lines)+usagesKept {
		maps.DeleteFunc(q.usages, func(_ string, u usage) bool { return u.at(now) == 0 })
	}
}

// take appends a batch of at most n questions to batch. Tenants have turns, one
// after the other, for as long as there is room: of those that have taken the same,
// those whose turn has not come are first the next time.
func (q *queue) take(batch []*question, n int) []*question {
	n, now := min(n, q.n), time.Now()
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
			q.await(l, now)
		}
	}
	for _, l := range full {
		q.await(l, now)
	}
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
