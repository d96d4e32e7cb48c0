package worker

import "time"

// recordKey names a tenant's version.
type recordKey struct{ tenant, digest string }

// record is what is held against a version, beyond the life of its guest: it may
// be let go of and loaded again.
type record struct {
	guests  int       // that have it
	suspect time.Time // it belongs to the suspects until then
	terms   int       // with the suspects so far
	spoiled int       // workers that it ended by itself, in a row
	last    time.Time // when it did
	open    time.Time // it is not asked before
}

const (
	// term is how long a guest is with the suspects the first time; each further
	// time it is twice as long, longestTerm at most.
	term        = 10 * time.Minute
	longestTerm = 24 * time.Hour
	// breakerFirst is for how long a guest is not asked that has ended a worker
	// in which it was alone to blame; each further time in a row it is twice as
	// long.
	breakerFirst = time.Second
	breakerLast  = 5 * time.Minute
	// calm is after how long a further time is the first again.
	calm = 30 * time.Minute
	// poisoned is the number of workers ended in a row after which the learned
	// state is suspected, and dropped.
	poisoned = 4
)

func (p *Pool) recordLocked(k recordKey) *record {
	r := p.records[k]
	if r == nil {
		r = new(record)
		p.records[k] = r
	}
	r.guests++
	return r
}

// dropRecordLocked forgets a record of which nothing has to be kept, and others
// like it where there are many.
func (p *Pool) dropRecordLocked(g *Guest) {
	g.record.guests--
	if g.record.clean() {
		delete(p.records, g.key)
	}
	if len(p.records) < 2*len(p.guests)+64 {
		return
	}
	for k, r := range p.records {
		if r.guests == 0 && r.clean() {
			delete(p.records, k)
		}
	}
}

// clean reports whether a version without a guest need not be remembered.
func (r *record) clean() bool {
	now := time.Now()
	return r.guests == 0 && now.After(r.suspect) && now.After(r.open) && now.After(r.last.Add(calm))
}

func (r *record) breakerOpen() bool { return !r.open.IsZero() && time.Now().Before(r.open) }

// suspected reports whether the version belongs to the suspects.
func (r *record) suspected() bool { return !r.suspect.IsZero() && time.Now().Before(r.suspect) }

// accuse sends it to the suspects for another term.
func (r *record) accuse() {
	r.suspect = time.Now().Add(min(term<<min(r.terms, 16), longestTerm))
	r.terms++
}

// spoil notes that it has ended a worker. alone: it is the only one that can
// have, so that its breaker opens.
func (r *record) spoil(alone bool) {
	now := time.Now()
	if now.Sub(r.last) >= calm {
		r.spoiled = 0
	}
	r.last = now
	r.spoiled++
	if alone {
		r.open = now.Add(min(breakerFirst<<min(r.spoiled-1, 16), breakerLast))
	}
}

// window is what a guest's questions have cost lately.
type window struct {
	n       int
	cpu     time.Duration
	average time.Duration // of the windows before; 0: there was none
}

const (
	// windowSize is how many questions make a window.
	windowSize = 64
	// slow is the mean of a question above which a guest goes to the suspects,
	// once windowLeast were asked.
	slow        = 500 * time.Microsecond
	windowLeast = 8
)

func (w *window) add(cpu time.Duration) {
	w.n++
	w.cpu += cpu
	if w.n == windowSize {
		*w = window{average: w.mean()}
	}
}

func (w *window) mean() time.Duration {
	if w.n == 0 {
		return w.average
	}
	return w.cpu / time.Duration(w.n)
}

// slow reports whether questions take too long.
func (w *window) slow() bool { return w.n >= windowLeast && w.mean() > slow }

// cost is what a question is expected to take.
func (g *Guest) cost() time.Duration {
	if g.window.n == 0 && g.window.average == 0 {
		return unknownCost
	}
	return max(g.window.mean(), time.Microsecond/10)
}
