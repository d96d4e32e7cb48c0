package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"idlehost/host/internal/fair"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/child"
	"idlehost/host/internal/sandbox/worker/control"
)

// worker is a place for guests. Processes come and go in it, one at a time.
type worker struct {
	pool   *Pool
	kind   Kind
	tenant string        // whose it is, of kind Own
	turns  *fair.Queue   // of tenants, to have instances made
	start  chan struct{} // holds one while a process is started
	wake   chan struct{} // holds one when there is something to do
	tenth  *tenth        // of the processors; nil: it has no less than others

	// Pool.mu guards the following fields.
	life    *life // the process; nil: there is none for the moment
	guests  map[*Guest]struct{}
	queue   queue
	leavers []leaver  // that are to go elsewhere, after the batch that is out
	loads   int       // instances that are being made
	deaths  int       // soon after the start, in a row
	resumes time.Time // no process is started before
	closed  bool
}

func newWorker(p *Pool, k Kind, tenant string) *worker {
	w := &worker{
		pool: p, kind: k, tenant: tenant,
		turns: fair.New(loadsAtOnce), start: make(chan struct{}, 1), wake: make(chan struct{}, 1), guests: map[*Guest]struct{}{},
	}
	if k == Suspects {
		w.tenth = &p.tenth
	}
	return w
}

// nudge says that there is something to do.
func (w *worker) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// closeLocked ends it for good.
func (w *worker) closeLocked() {
	w.closed = true
	w.nudge()
}

const (
	// loadsAtOnce is how many instances are on their way: a process makes one after
	// the other, and has the next one's module already.
	loadsAtOnce = 2
	// loadPatience is how long a load is waited for: a process that takes longer
	// does not work.
	loadPatience = 10 * time.Second
	// shortLife is that of a process after whose end the next is not started at
	// once.
	shortLife = time.Second
	firstRest = 50 * time.Millisecond
	// lastRest is the longest that guests wait for the next one: a start takes some
	// 50 ms of the processor. Where none can be started, they wait for startRest.
	lastRest  = 500 * time.Millisecond
	startRest = 5 * time.Second
)

// load has an instance of g made, when its tenant's turn has come.
func (w *worker) load(ctx context.Context, g *Guest) error {
	err := w.loadOnce(ctx, g)
	if !errors.Is(err, engine.ErrNoCode) {
		return err
	}
	if err := w.pool.lend(ctx, g.prepared); err != nil {
		return err
	}
	defer w.pool.loans.keep(g.prepared)
	if err = w.loadOnce(ctx, g); !errors.Is(err, engine.ErrNoCode) {
		return err
	}
	w.renew()
	return w.loadOnce(ctx, g)
}

// renew ends a process that does not find code which is there: it is confined to
// a folder that somebody has removed, and that was made anew since.
func (w *worker) renew() {
	w.pool.spare.drop()
	w.pool.mu.Lock()
	l := w.life
	w.pool.mu.Unlock()
	if l != nil {
		w.pool.logger.Warn("worker does not find code that is there, another takes over", "worker", w.kind.String())
		l.kill(EndStopped)
		<-l.over
	}
}

func (w *worker) loadOnce(ctx context.Context, g *Guest) error {
	turn, err := w.enter(ctx, g)
	if err != nil {
		return err
	}
	var took time.Duration
	defer func() { turn.Leave(took) }()
	l, err := w.living(ctx)
	if err != nil {
		return err
	}
	if err := w.rested(ctx, l); err != nil {
		return err
	}
	n, state, err := w.beginLoad(g)
	if err != nil {
		return err
	}
	pays := g.paysForLoad()
	began := time.Now()
	loaded, err := w.loadIn(ctx, l, g, n, state)
	if took = loaded.Time; err != nil { // which may have taken as long as that
		took = max(took, time.Since(began))
	}
	w.payLoad(g, loaded.Time, pays)
	if err = w.endLoad(l, g, loaded, err); errors.Is(err, ErrClosed) {
		err = errors.Join(err, l.unload(n))
	}
	return err
}

// enter waits for the turn of a guest's tenant: after a worker has ended, all of
// them wait for one, the quick ones first.
func (w *worker) enter(ctx context.Context, g *Guest) (*fair.Turn, error) {
	w.pool.mu.Lock()
	about := g.loadCostLocked()
	w.pool.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(w.pool.life, func() { cancel(ErrClosed) })()
	turn, err := w.turns.Enter(ctx, g.tenant, about)
	if err != nil {
		err = context.Cause(ctx)
	}
	return turn, err
}

// endLoad notes what came of a load.
func (w *worker) endLoad(l *life, g *Guest, loaded control.Loaded, err error) error {
	var payer *engine.Quota
	defer func() { payer.Charge(loaded.Time) }()
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	if err == nil {
		payer, g.owedBy = g.owedBy, nil
	}
	w.loads--
	g.loads += loaded.Time
	switch {
	case err != nil:
		return err
	case w.life != l:
		return lost(g.name, errors.New("it has ended meanwhile"))
	case g.closed:
		return ErrClosed
	}
	g.loadedLocked(loaded)
	return nil
}

// beginLoad notes whose instance is being made, and returns its number, and what
// it begins with.
func (w *worker) beginLoad(g *Guest) (n uint32, s engine.State, err error) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	if g.closed {
		return 0, s, ErrClosed
	}
	w.pool.numberLocked(g)
	w.loads++
	return g.number, g.learned, nil
}

// loadedLocked notes a new instance.
func (g *Guest) loadedLocked(loaded control.Loaded) {
	g.phase, g.sent = present, histogramKey{}
	g.failures, g.retry = 0, time.Time{}
	g.stats.Load = loaded
	g.record.load, g.record.loadedAt = loaded.Time, time.Now()
	g.stats.Loads++
	if !loaded.Restored {
		g.learned = engine.State{} // it is another guest's, and stays with that one
	}
	if g.pool.placeLocked(g) != g.at {
		g.pool.rehouseLocked(g, "it belongs elsewhere by now")
	}
}

// loadIn has a living process make the instance, and tells its end from a fault
// of the guest's.
func (w *worker) loadIn(ctx context.Context, l *life, g *Guest, n uint32, s engine.State) (control.Loaded, error) {
	patience, cancel := context.WithTimeoutCause(ctx, loadPatience, errSilent)
	defer cancel()
	loaded, err := l.process.Load(patience, n, g.prepared, s)
	var fault *engine.FaultError
	switch {
	case err == nil, errors.Is(err, engine.ErrNoCode), errors.As(err, &fault):
		return loaded, err
	case ctx.Err() != nil: // it may come into being all the same
		return loaded, errors.Join(ctx.Err(), l.unload(n))
	case context.Cause(patience) == errSilent:
		l.kill(EndSilent)
	}
	<-l.over
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	if started, ok := l.process.Starting(); ok && started == n && l.why == EndLoad {
		loaded.Time = child.LeastStart // at least; nobody is left who could say more
	}
	if why := l.blame[g]; why != nil {
		return loaded, why
	}
	return loaded, lost(g.name, err)
}

var errSilent = errors.New("no answer")

// living returns the process, which is started if there is none.
func (w *worker) living(ctx context.Context) (*life, error) {
	p := w.pool
	select {
	case w.start <- struct{}{}:
		defer func() { <-w.start }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.life.Done():
		return nil, ErrClosed
	}
	p.mu.Lock()
	l, rest := w.life, time.Until(w.resumes)
	p.mu.Unlock()
	if l != nil {
		return l, nil
	}
	if rest > 0 {
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.life.Done():
			return nil, ErrClosed
		}
	}
	process, err := p.spare.take(ctx)
	if err != nil {
		w.rest()
		return nil, fmt.Errorf("worker not started: %w", err)
	}
	return w.begin(process)
}

// begin has a process serve the worker.
func (w *worker) begin(process Process) (*life, error) {
	p := w.pool
	l := &life{worker: w, process: process, begun: time.Now(), nonsense: -1, over: make(chan struct{}), blame: map[*Guest]error{}}
	p.mu.Lock()
	if w.closed || p.closed {
		p.mu.Unlock()
		discard(process)
		return nil, ErrClosed
	}
	defer p.mu.Unlock()
	w.life = l
	p.behind.Go(l.serve) // whoever asked for the load is waited for, or is of the pool
	return l, nil
}

// rest notes a process that could not be started.
func (w *worker) rest() {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.restLocked(startRest)
}

// restLocked puts off the next start, from the second in a row on, for most at the
// longest.
func (w *worker) restLocked(most time.Duration) {
	w.deaths++
	w.resumes = time.Now()
	if w.deaths > 1 {
		w.resumes = w.resumes.Add(min(firstRest<<min(w.deaths-2, 16), most))
	}
}
