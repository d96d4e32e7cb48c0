// Package worker runs policies in processes of their own. A Pool starts the
// workers, places guests in them, hands them questions in batches and takes the
// answers, which come later: nobody waits. It bounds what a tenant takes of the
// processors, finds out who spoiled a worker that has ended, and has another
// worker take over what the guests had learned.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
)

// Config configures a Pool.
type Config struct {
	// Engine prepares what is loaded. Its Compiler keeps code in a folder.
	Engine *engine.Engine
	// Start begins a worker process. It is called from one goroutine at a time
	// for each worker.
	Start func(ctx context.Context, say Says) (Process, error)
	// Shared is how many workers the tenants share that have none of their own.
	// 0: one for every four processors, at least one.
	Shared int
	// Logger is told what becomes of workers. nil: nobody is.
	Logger *slog.Logger
	// Observer is told what happens. nil: nobody is.
	Observer Observer
}

// Says takes a line that guest n has logged.
type Says func(n uint32, level int, text string)

// Observer is told what happens in a Pool. It must not block, and is called
// without a lock.
type Observer interface {
	// Batch: a worker has answered so many questions at once; those that it put
	// back are not counted.
	Batch(worker Kind, questions int)
	// Asked: questions of a tenant have taken so much of the processors.
	Asked(tenant string, cpu time.Duration)
	// Ended: a worker has ended otherwise than by the host's will. spoiler is who
	// seems to have brought it about, proven that it is; nil: nobody is known to have.
	Ended(worker Kind, why Ending, spoiler *Guest, proven bool)
	// Moved: a guest has gone to the suspects, or is back.
	Moved(g *Guest, to Kind, why string)
}

func (c Config) shared() int {
	if c.Shared > 0 {
		return c.Shared
	}
	return max(runtime.GOMAXPROCS(0)/4, 1)
}

// Kind is what a worker is for.
type Kind uint8

// The kinds.
const (
	Shared   Kind = iota // of tenants that have none of their own
	Suspects             // of guests that took too much time, or ended a worker
	Own                  // of one tenant
	Trial                // of what is being checked, and was never in charge
)

var kindNames = [...]string{"shared", "suspects", "own", "trial"}

// String returns the name used in logs and metrics.
func (k Kind) String() string { return kindNames[k] }

// Kinds is the number of kinds.
const Kinds = len(kindNames)

// Pool is a host's workers. Safe for concurrent use; create it with New.
type Pool struct {
	cfg       Config
	lend      func(context.Context, *engine.Prepared) error // has code ready again
	logger    *slog.Logger
	life      context.Context // ends with Close
	end       context.CancelFunc
	behind    sync.WaitGroup // goroutines of the pool
	spare     spare
	loans     loans
	questions sync.Pool // of *question

	telling sync.Mutex // held while refused are told; before mu

	mu       sync.Mutex // guards the following, and the fields of workers and guests that say so
	closed   bool
	number   uint32 // of the last guest
	guests   map[uint32]*Guest
	records  map[recordKey]*record
	conducts map[string]*conduct // by tenant
	shared   []*worker
	retrial  *worker            // trial, of tenants of which one has ended a worker in trial lately; nil: there is none yet
	long     *worker            // shared, of guests whose loads take long; nil: there is none yet
	alone    [Kinds]*worker     // suspects and trial; nil: there is none yet
	own      map[string]*worker // by tenant
	cells    map[*Guest]*worker // of suspects that have ended workers: one each
	tenth    tenth
	refused  []refusal // questions that are to be told so
	refusing bool      // somebody tells them
}

// ErrClosed is returned by Load after Close.
var ErrClosed = errors.New("worker: the pool is closed")

// New returns a pool. Workers are started when they are needed.
func New(cfg Config) *Pool {
	p := &Pool{
		cfg: cfg, logger: cfg.Logger,
		guests: map[uint32]*Guest{}, records: map[recordKey]*record{}, own: map[string]*worker{},
		conducts: map[string]*conduct{}, cells: map[*Guest]*worker{}, tenth: newTenth(),
	}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	if p.cfg.Observer == nil {
		p.cfg.Observer = deaf{}
	}
	p.life, p.end = context.WithCancel(context.Background())
	p.spare.pool = p
	p.lend = func(ctx context.Context, prepared *engine.Prepared) error {
		src := engine.Source{Name: prepared.Name} // its owner has paid before
		return cfg.Engine.Do(ctx, src, func(j *engine.Job) error { return j.Lend(prepared) })
	}
	p.shared = make([]*worker, cfg.shared())
	for i := range p.shared {
		p.shared[i] = newWorker(p, Shared, "")
	}
	p.behind.Go(p.keepLearned)
	return p
}

// Options says how a guest is to be run.
type Options struct {
	// Tenant is whose it is.
	Tenant string
	// Own has it in a worker that only this tenant's guests are in.
	Own bool
	// Trial has it in the worker of what was never in charge.
	Trial bool
}

// Load prepares a policy and has an instance of it made in a worker. The error
// has an *engine.FaultError in its chain, unless ctx ended or the pool is closed.
// ctx bounds the load alone.
func (p *Pool) Load(ctx context.Context, src engine.Source, o Options) (*Guest, error) {
	var prepared *engine.Prepared
	err := p.cfg.Engine.Do(ctx, src, func(j *engine.Job) (err error) {
		prepared, err = prepare(j)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer p.loans.keep(prepared)
	g, took, err := p.load(ctx, prepared, src, o)
	src.Quota.Charge(took)
	return g, err
}

// LoadIn is Load as a part of a job of the source's owner, whose turn others have
// while a worker is waited for.
func (p *Pool) LoadIn(ctx context.Context, j *engine.Job, src engine.Source, o Options) (*Guest, error) {
	prepared, err := prepare(j)
	if err != nil {
		return nil, err
	}
	defer p.loans.keep(prepared)
	var g *Guest
	var took time.Duration
	ended := j.Without(func() { g, took, err = p.load(ctx, prepared, src, o) })
	j.Elsewhere(took)
	if ended != nil && err == nil {
		return nil, errors.Join(ended, g.Close())
	}
	return g, err
}

// prepare has the code of the job's source ready for workers.
func prepare(j *engine.Job) (*engine.Prepared, error) {
	p, err := j.Prepare()
	if err != nil {
		return nil, err
	}
	return p, j.Lend(p)
}

// load is Load of what is prepared and on loan. took is the processor time of the
// workers, also where it fails: that of a start function which fails is paid, too.
func (p *Pool) load(ctx context.Context, prepared *engine.Prepared, src engine.Source, o Options) (g *Guest, took time.Duration, err error) {
	g, err = p.join(prepared, src, o)
	if err != nil {
		return nil, 0, err
	}
	for attempt := 1; ; attempt++ {
		err = g.settle(ctx)
		if err == nil {
			return g, g.loadTime(), nil
		}
		if attempt == loadAttempts || !errors.Is(err, errLost) || ctx.Err() != nil {
			break
		}
	}
	return nil, g.loadTime(), errors.Join(err, g.Close())
}

// loadAttempts is how often a load is tried whose worker has ended for reasons
// that are not its own.
const loadAttempts = 3

// join makes a guest that has no instance yet.
func (p *Pool) join(prepared *engine.Prepared, src engine.Source, o Options) (*Guest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	g := newGuest(p, prepared, src, o)
	p.numberLocked(g)
	g.record = p.recordLocked(g.key)
	g.at = p.placeLocked(g)
	g.at.guests[g] = struct{}{}
	return g, nil
}

// numberLocked gives a guest the number of its next instance.
func (p *Pool) numberLocked(g *Guest) {
	delete(p.guests, g.number)
	p.number++
	g.number = p.number
	p.guests[g.number] = g
}

// say passes on what guest n has logged.
func (p *Pool) say(n uint32, level int, text string) {
	p.mu.Lock()
	g := p.guests[n]
	p.mu.Unlock()
	if g != nil && g.log != nil {
		g.log(g.name, level, text)
	}
}

// Close ends the workers. What is being asked is answered with FaultNotLoaded;
// guests keep the learned state that was fetched last. Idempotent.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	var lives []*life
	for _, w := range p.workersLocked() {
		w.closeLocked()
		if w.life != nil {
			lives = append(lives, w.life)
		}
	}
	for _, g := range p.guests {
		p.refuseLocked(g.takeWaitingLocked(), policy.FaultNotLoaded)
	}
	p.mu.Unlock()
	p.end()
	for _, l := range lives {
		l.kill(EndStopped) // one that does not answer is not waited for
	}
	p.spare.close()
	p.behind.Wait()
	p.refuse() // whoever asked what a worker had when it ended
	p.loans.close()
	return nil
}

// workersLocked lists the workers.
func (p *Pool) workersLocked() []*worker {
	list := append([]*worker(nil), p.shared...)
	for _, w := range append(p.alone[:], p.retrial, p.long) {
		if w != nil {
			list = append(list, w)
		}
	}
	for _, w := range p.own {
		list = append(list, w)
	}
	for _, w := range p.cells {
		list = append(list, w)
	}
	return list
}

// restsLocked reports whether no worker has a process.
func (p *Pool) restsLocked() bool {
	return !slices.ContainsFunc(p.workersLocked(), func(w *worker) bool { return w.life != nil })
}

// refusal is a question that nobody is asked.
type refusal struct {
	q     *question
	fault policy.Fault
}

// refuseLocked has questions answered with a fault, soon.
func (p *Pool) refuseLocked(qs []*question, fault policy.Fault) {
	for _, q := range qs {
		q.guest.doneLocked(fault)
		p.refused = append(p.refused, refusal{q, fault})
	}
	switch {
	case len(p.refused) == 0 || p.refusing:
	case p.closed: // Close may have waited already; it tells what is left by then
		p.refusing = true
		go p.refuse()
	default:
		p.refusing = true
		p.behind.Go(p.refuse)
	}
}

// refuse tells those who asked, until there is nobody left to tell, also by another.
func (p *Pool) refuse() {
	p.telling.Lock()
	defer p.telling.Unlock()
	for {
		p.mu.Lock()
		list := p.refused
		p.refused = nil
		if len(list) == 0 {
			p.refusing = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		for _, r := range list {
			p.tell(r.q, policy.Verdict{}, r.fault)
		}
	}
}

// errLost is why a load fails whose worker has ended.
var errLost = errors.New("the worker has ended")

// lost makes a fault of errLost, for which nobody is to blame.
func lost(name string, why error) error {
	return &engine.FaultError{Policy: name, Step: "worker", Fault: policy.FaultNotLoaded, Err: fmt.Errorf("%w: %w", errLost, why)}
}

// deaf is an Observer that does not listen.
type deaf struct{}

func (deaf) Batch(Kind, int)                  {}
func (deaf) Asked(string, time.Duration)      {}
func (deaf) Ended(Kind, Ending, *Guest, bool) {}
func (deaf) Moved(*Guest, Kind, string)       {}
