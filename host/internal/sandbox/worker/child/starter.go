package child

import (
	"context"
	"runtime"
	"sync"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/control"
)

// host is what a starter tells the host on control.
type host interface {
	Loaded(r control.Request, l control.Loaded, err error)
	Line(guest uint32, level int, msg string)
}

// starter makes and ends instances, one after the other, on a goroutine of its own:
// a start function may take long, and nobody's questions wait for it.
type starter struct {
	engine   *engine.Engine
	guests   *guests
	host     host
	start    func(guest uint32, begins bool) // tells of which an instance is made
	patience func(b engine.Budgets, module int) time.Duration
	clock    func() time.Duration // processor time of the thread
	// lock locks the goroutine to its thread, and returns what has the process end
	// after so much of the thread's processor time; 0: not at all.
	lock func() (arm func(d time.Duration))

	wake chan struct{} // holds one while there is something to do
	mu   sync.Mutex    // guards the following field
	todo []func()
}

func newStarter(e *engine.Engine, g *guests, h host) *starter {
	return &starter{engine: e, guests: g, host: h, wake: make(chan struct{}, 1)}
}

// enqueue has something done, after all that was enqueued before. It does not wait.
func (s *starter) enqueue(job func()) {
	s.mu.Lock()
	s.todo = append(s.todo, job)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run does what is enqueued, and tidies in between. It never returns.
func (s *starter) run() {
	t := newTidier(s.engine.DropSpareCode)
	for {
		select {
		case <-s.wake:
			for job := s.take(); job != nil; job = s.take() {
				job()
				t.worked()
			}
		case <-t.rest():
			t.rested()
		}
	}
}

func (s *starter) take() (job func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.todo) == 0 {
		s.todo = nil
		return nil
	}
	job, s.todo = s.todo[0], s.todo[1:]
	return job
}

// load makes a policy, and answers the host.
func (s *starter) load(r control.Request) {
	var p *engine.Policy
	var err error
	took := s.timed(r.Guest, r.Load.Metered.Size, func() {
		p, err = s.engine.Adopt(context.Background(), r.Load, r.Learned, s.lines(r.Guest))
	})
	if err != nil {
		s.host.Loaded(r, control.Loaded{Time: took}, err)
		return
	}
	s.guests.put(r.Guest, &guest{policy: p})
	stats := p.Stats()
	s.host.Loaded(r, control.Loaded{
		Profile: p.Profile(), MemoryBytes: stats.MemoryBytes, Restored: stats.Restored, Fuel: stats.FuelSpent, Time: took,
	}, nil)
}

// lines passes on what a guest says.
func (s *starter) lines(n uint32) func(string, int, string) {
	return func(_ string, level int, msg string) { s.host.Line(n, level, msg) }
}

// revive makes an instance in place of one that is gone, for a question at now.
func (s *starter) revive(n uint32, g *guest, now uint64) {
	g.start.took = s.timed(n, 0, func() { g.start.fault, g.start.fuel = g.policy.Revive(now) })
	if g.start.fault == policy.FaultBreaker { // cannot be: nobody else asks
		g.start.fault = policy.FaultBusy
	}
	g.start.state.Store(started)
}

// timed does what runs guest n, and returns the processor time that it took. It
// ends the process where that is too much.
func (s *starter) timed(n uint32, module int, work func()) time.Duration {
	s.start(n, true)
	arm := s.lock()
	defer runtime.UnlockOSThread()
	arm(s.patience(s.engine.Budgets(), module))
	began := s.clock()
	work()
	took := s.clock() - began
	arm(0)
	s.start(n, false)
	return max(took, 0)
}

// unload ends a policy, if it is there.
func (s *starter) unload(n uint32) {
	if g := s.guests.remove(n); g != nil {
		_ = g.policy.Close() // its memory and its code are let go either way
	}
}
