package worker

import (
	"bytes"
	"context"
	"errors"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/control"
)

// Guest is a policy whose instance is in a worker. When that ends, another takes
// over what was learned; questions that come meanwhile wait for it.
type Guest struct {
	pool       *Pool
	name       string
	tenant     string
	key        recordKey
	own        bool
	trial      bool
	wantsClose bool
	prepared   *engine.Prepared
	quota      *engine.Quota                              // nil: nothing bounds it
	log        func(module string, level int, msg string) // nil: nobody listens

	// Pool.mu guards the following fields.
	number   uint32  // of its instance, for the workers: every load has another
	at       *worker // its instance is there, or will be
	phase    phase
	loading  chan struct{} // closed when the load that runs has ended; nil: none does
	waiting  []*question   // for the instance
	open     int           // questions
	latest   *histogram    // of the last question; nil while none is open
	sent     histogramKey  // what the instance was given last
	learned  engine.State  // the last good copy
	asked    time.Time     // since then for the first time; zero: not at all
	window   window
	record   *record
	err      error // of the last fault
	lostAs   policy.Fault
	retry    time.Time // no load for a question before it
	failures int       // loads in a row
	stats    Stats
	loads    time.Duration // processor time of all loads, of those that failed, too
	closed   bool
	spoiled  bool // of a trial: it has ended its worker

	takesLong bool          // its loads do, or did once
	owedBy    *engine.Quota // pays for the next load: it has ended the last instance
}

// phase is where a guest stands.
type phase uint8

const (
	absent  phase = iota // it has no instance
	present              // it has one
	moving               // the one it has is being ended, for another elsewhere
)

// Stats are what a guest has done.
type Stats struct {
	Load      control.Loaded // of the last instance
	Questions uint64         // answered by the instance, faults included
	Fuel      uint64         // that they took
	CPU       time.Duration  // the same, of the processors
	Worker    Kind           // where it is
	Loads     int            // instances that were made by the host
}

func newGuest(p *Pool, prepared *engine.Prepared, src engine.Source, o Options) *Guest {
	g := &Guest{
		pool: p, name: src.Name, tenant: o.Tenant, own: o.Own, trial: o.Trial,
		key:        recordKey{o.Tenant, prepared.Digest()},
		wantsClose: prepared.WantsClose(), prepared: prepared, quota: src.Quota, log: src.Log,
		learned: engine.State{Format: src.State.Format, Bytes: bytes.Clone(src.State.Bytes)},
	}
	if src.OwnFuel {
		g.quota = nil
	}
	return g
}

// Digest returns the SHA-256 of the module, in hexadecimal.
func (g *Guest) Digest() string { return g.key.digest }

// Tenant returns whose it is.
func (g *Guest) Tenant() string { return g.tenant }

// Name returns the source's name.
func (g *Guest) Name() string { return g.name }

// WantsClose reports whether the guest exports on_close.
func (g *Guest) WantsClose() bool { return g.wantsClose }

// Decide has no answer: it would have to wait for one.
func (g *Guest) Decide(*policy.Ask) (policy.Verdict, policy.Fault) {
	return policy.Verdict{}, policy.FaultNotLoaded
}

// Ask puts a question. It copies what it needs of ask, and does not block. to is
// told exactly once, never inside the call.
func (g *Guest) Ask(ask *policy.Ask, to Answerer) {
	p := g.pool
	q := p.newQuestion(g, ask, to)
	p.mu.Lock()
	defer p.mu.Unlock()
	g.askLocked(q, ask)
}

func (g *Guest) askLocked(q *question, ask *policy.Ask) {
	g.open++
	g.shareLocked(q, ask)
	if fault := g.refusesLocked(); fault != policy.FaultNone {
		g.pool.refuseLocked([]*question{q}, fault)
		return
	}
	g.enqueueLocked(q)
}

// shareLocked gives a question the histogram, of which those that are open share
// one copy.
func (g *Guest) shareLocked(q *question, ask *policy.Ask) {
	if ask.Gaps == nil {
		return
	}
	if key := keyOf(ask); g.latest == nil || g.latest.key != key {
		g.latest = &histogram{key, *ask.Gaps}
	}
	q.hist = g.latest
}

// refusesLocked says why no question is put now.
func (g *Guest) refusesLocked() policy.Fault {
	switch {
	case g.closed || g.pool.closed:
		return policy.FaultNotLoaded
	case g.record.breakerOpen():
		return policy.FaultBreaker
	case g.phase == absent && time.Now().Before(g.retry):
		return g.lostAs
	case g.phase == absent && !g.quota.MayAsk(uint64(time.Now().UnixMilli())):
		return policy.FaultRate // and no instance is made for it
	case g.open > mostOpen:
		return policy.FaultBusy
	}
	return policy.FaultNone
}

// mostOpen is how many questions of a guest are open at most. Connections that are
// open have one each; those that have come and gone meanwhile leave more where the
// guest is slower than its clients, of some 600 bytes each.
const mostOpen = 1 << 17

// enqueueLocked has a question asked as soon as there is an instance.
func (g *Guest) enqueueLocked(q *question) {
	if g.phase == present {
		g.at.queue.push(q)
		g.at.nudge()
		return
	}
	g.waiting = append(g.waiting, q)
	if g.phase == absent && g.loading == nil {
		g.pool.behind.Go(g.reload)
	}
}

// doneLocked notes that a question is answered, or about to be.
func (g *Guest) doneLocked(fault policy.Fault) {
	if g.open--; g.open == 0 {
		g.latest = nil
	}
	if fault != policy.FaultNone && g.err == nil {
		g.err = &engine.FaultError{Policy: g.name, Step: "question", Fault: fault, Err: errors.New(fault.String())}
	}
}

func (g *Guest) takeWaitingLocked() []*question {
	qs := g.waiting
	g.waiting = nil
	return qs
}

// Err returns what the last fault was, a *engine.FaultError in its chain; nil if
// there was none.
func (g *Guest) Err() error {
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	g.hearLocked()
	return g.err
}

// hearLocked takes what the worker says of the last fault, which may come a
// little after the answer.
func (g *Guest) hearLocked() {
	if g.phase != present || g.at.life == nil {
		return
	}
	if err := g.at.life.process.GuestErr(g.number); err != nil {
		g.err = err
	}
}

// Stats returns the counts.
func (g *Guest) Stats() Stats {
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	s := g.stats
	s.Worker = g.at.kind
	return s
}

func (g *Guest) loadTime() time.Duration {
	g.pool.mu.Lock()
	defer g.pool.mu.Unlock()
	return g.loads
}

// loadCostLocked is what making an instance is expected to take of the processor.
func (g *Guest) loadCostLocked() time.Duration {
	if g.record.load > 0 {
		return g.record.load
	}
	return unknownLoad + time.Duration(g.prepared.Metered.Size)*unknownLoadByte
}

const (
	// unknownLoad and unknownLoadByte are what is expected of the first load of a
	// module, and for each of its bytes.
	unknownLoad     = time.Millisecond
	unknownLoadByte = 8 * time.Nanosecond
)

// Kind returns what the worker is for that the guest is in.
func (g *Guest) Kind() Kind { return g.Stats().Worker }

// reload makes an instance for the questions that wait, or tells them why there
// is none.
func (g *Guest) reload() {
	p := g.pool
	var err error
	for range loadAttempts {
		if err = g.settle(p.life); err == nil || !errors.Is(err, errLost) {
			break
		}
	}
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g.err, g.lostAs = err, faultOf(err)
	if !g.lostAs.Passes() {
		g.failures++
	}
	if !errors.Is(err, errLost) { // else it is not of its own doing, and may work the next time
		g.retry = time.Now().Add(min(firstRetry<<min(max(g.failures-1, 0), 16), lastRetry))
	}
	p.refuseLocked(g.takeWaitingLocked(), g.lostAs)
	p.logger.Warn("policy not loaded again in a worker", "tenant", g.tenant, "policy", short(g.key.digest), "worker", g.at.kind.String(), "error", err)
}

const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

func faultOf(err error) policy.Fault {
	var fault *engine.FaultError
	if errors.As(err, &fault) {
		return fault.Fault
	}
	return policy.FaultNotLoaded
}

// settle has the guest get an instance, or waits for one who does.
func (g *Guest) settle(ctx context.Context) error {
	p := g.pool
	for {
		p.mu.Lock()
		switch {
		case p.closed || g.closed:
			p.mu.Unlock()
			return ErrClosed
		case g.phase == present:
			p.mu.Unlock()
			return nil
		case g.loading == nil:
			g.loading = make(chan struct{})
			p.putLocked(g)
			w := g.at
			p.mu.Unlock()
			return g.settleIn(ctx, w)
		}
		other := g.loading
		p.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settleIn makes an instance in a worker.
func (g *Guest) settleIn(ctx context.Context, w *worker) error {
	err := w.load(ctx, g)
	p := g.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	close(g.loading)
	g.loading = nil
	if err != nil {
		return err
	}
	for _, q := range g.takeWaitingLocked() {
		w.queue.push(q)
	}
	w.nudge()
	return nil
}

// Close ends the instance, behind: it is called where answers are taken, and a
// worker may not read. It is called after the last question was answered, or has
// those that are not answered with FaultNotLoaded. Idempotent; there is no error.
func (g *Guest) Close() error {
	p := g.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	w := g.at
	delete(p.guests, g.number)
	delete(w.guests, g)
	p.refuseLocked(append(g.takeWaitingLocked(), w.queue.remove(g)...), policy.FaultNotLoaded)
	g.judgeTrialLocked()
	p.dropRecordLocked(g)
	p.leaveCellLocked(g, w)
	if l, n := w.life, g.number; g.phase == present && l != nil && !w.closed {
		p.behind.Go(func() { g.unload(l, n) })
	}
	w.nudge()
	return nil
}

// unload ends an instance of it, where the process lives.
func (g *Guest) unload(l *life, n uint32) {
	if err := l.unload(n); err != nil {
		g.pool.logger.Debug("instance not ended in order", "tenant", g.tenant, "policy", short(g.key.digest), "error", err)
	}
}

func short(digest string) string { return digest[:min(12, len(digest))] }
