package worker

import "time"

// conduct is what is held against a tenant, whatever the version: another digest
// is no clean record.
type conduct struct {
	ended int       // workers, by policies that are not in trial
	last  time.Time // when the last did, or one was forgiven
	trial time.Time // when one did that is in trial
}

const (
	// distrust is the number of workers from which on what a tenant brings begins
	// among the suspects.
	distrust = 2
	// forgiven is the time for which one of them counts, mostHeld of them at
	// most; and by which a version's terms become one less.
	forgiven = time.Hour
	mostHeld = 8
)

// forgive takes back what is long ago.
func (c *conduct) forgive(now time.Time) {
	if n := int(now.Sub(c.last) / forgiven); n > 0 {
		c.ended = max(c.ended-n, 0)
		c.last = c.last.Add(time.Duration(n) * forgiven)
	}
}

// conductLocked returns a tenant's; nil: there is nothing against it.
func (p *Pool) conductLocked(tenant string) *conduct {
	c := p.conducts[tenant]
	if c == nil {
		return nil
	}
	if c.forgive(time.Now()); c.ended == 0 && !c.triedApart() {
		delete(p.conducts, tenant)
		return nil
	}
	return c
}

// triedApart reports whether what the tenant brings is tried beside that of others
// of whom the same holds.
func (c *conduct) triedApart() bool { return c != nil && time.Since(c.trial) < term }

// holdAgainstLocked counts a worker that a tenant's policy has ended.
func (p *Pool) holdAgainstLocked(tenant string) {
	c := p.heldLocked(tenant)
	c.ended, c.last = min(c.ended+1, mostHeld), time.Now()
}

// heldLocked is conductLocked of a tenant against whom there is something now.
func (p *Pool) heldLocked(tenant string) *conduct {
	c := p.conductLocked(tenant)
	if c == nil {
		c = new(conduct)
		p.conducts[tenant] = c
	}
	return c
}

// recordKey names a tenant's version.
type recordKey struct{ tenant, digest string }

// record is what is known of a version beyond the life of its guest, what is held
// against it above all: it may be let go of and loaded again, and what its trial
// has shown holds of it afterwards.
type record struct {
	load     time.Duration // processor time of the last one; 0: there was none
	loadedAt time.Time

	guests  int       // that have it
	suspect time.Time // it belongs to the suspects until then
	terms   int       // with the suspects so far, less what is forgiven
	spoiled int       // workers that it is said to have ended, in a row
	trials  int       // the same, in trial
	noisy   int       // those that the kernel's own time has ended, in a row: not counted
	last    time.Time // when it was said
	ended   bool      // it is a suspect because of them
	open    time.Time // it is not asked before
}

const (
	// term is how long a guest is with the suspects the first time; each further
	// time it is twice as long, longestTerm at most.
	term        = 10 * time.Minute
	longestTerm = 24 * time.Hour
	// breakerFirst, twice, is for how long a guest is not asked that has ended two
	// workers, the second alone; each further time in a row it is twice as long.
	breakerFirst = time.Second
	breakerLast  = 5 * time.Minute
	// calm is after how long a further time is the first again.
	calm = 30 * time.Minute
	// enough is the number of workers ended in a row that is no chance, whoever else
	// was there, and mostNoise that of endings which are put down to the kernel.
	enough    = 3
	mostNoise = 2
	// poisoned is the number of workers ended in a row after which the learned
	// state is suspected, and dropped.
	poisoned = 4
)

func (p *Pool) recordLocked(k recordKey) *record {
	r := p.records[k]
	if r == nil {
		r = new(record)
		p.records[k] = r
		if c := p.conductLocked(k.tenant); c != nil && c.ended >= distrust {
			r.accuse()
		}
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
	known := r.load > longLoad && now.Before(r.loadedAt.Add(calm))
	return r.guests == 0 && !known && now.After(r.suspect) && now.After(r.open) && now.After(r.last.Add(calm))
}

func (r *record) breakerOpen() bool { return !r.open.IsZero() && time.Now().Before(r.open) }

// suspected reports whether the version belongs to the suspects.
func (r *record) suspected() bool { return !r.suspect.IsZero() && time.Now().Before(r.suspect) }

// accuse sends it to the suspects for another term.
func (r *record) accuse() {
	now := time.Now()
	if good := now.Sub(r.suspect); r.terms > 0 && good > 0 {
		r.terms = max(r.terms-int(good/forgiven), 0)
	}
	r.suspect = now.Add(min(term<<min(r.terms, 16), longestTerm))
	r.terms++
}

// spoil notes that a worker has ended, as it seems of its doing. One ending may be
// chance: of who else is there, or of what the machine does beside. noise: most of
// what the process took was the kernel's. alone: nobody else was there. It reports
// whether this one proves it: then its breaker opens.
func (r *record) spoil(alone, noise bool) (proven bool) {
	r.again()
	r.ended = true
	if noise && r.noisy < mostNoise {
		r.noisy++
		return false
	}
	r.spoiled++
	if proven = r.spoiled >= 2 && alone || r.spoiled >= enough; proven {
		r.open = r.last.Add(min(breakerFirst<<min(r.spoiled-1, 16), breakerLast))
	}
	return proven
}

// spoilTrial is spoil of a version that is being checked, where others may be, too.
func (r *record) spoilTrial() (proven bool) {
	r.again()
	r.trials++
	return r.trials >= 2
}

// again begins counting anew where the last time is long ago.
func (r *record) again() {
	now := time.Now()
	if now.Sub(r.last) >= calm {
		r.spoiled, r.trials, r.noisy = 0, 0, 0
	}
	r.last = now
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

// judgeTrialLocked has a version begin with the suspects whose questions have taken
// too long while it was checked: the first ones after that would hold up others.
func (g *Guest) judgeTrialLocked() {
	if g.trial && g.stats.Questions >= windowLeast && g.window.mean() > slow && !g.record.suspected() {
		g.record.accuse()
	}
}

// cost is what a question is expected to take.
func (g *Guest) cost() time.Duration {
	if g.window.n == 0 && g.window.average == 0 {
		return unknownCost
	}
	return max(g.window.mean(), time.Microsecond/10)
}
