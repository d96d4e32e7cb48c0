// Package overload keeps the process within its memory and its descriptors: it
// divides descriptors, evicts idle connections while either is short, and gives
// memory back to the system.
package overload

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/observe"
)

const (
	// evictorEvery is how often memory is looked at, and censusEvery how often
	// descriptors are counted that are not connections'.
	evictorEvery = 250 * time.Millisecond
	censusEvery  = time.Second
	// calmAfter is how long nothing has to be evicted or refused for want of
	// descriptors until they are said to suffice again.
	calmAfter = 10 * time.Second
)

// Parts of the memory's limit, in thousandths: from memoryShort on idle
// connections are evicted, until it is below memoryEnough; at memoryFull new ones
// are accepted only where an idle one goes.
const (
	memoryEnough = 850
	memoryShort  = 900
	memoryFull   = 970
)

// Evictor evicts idle connections while memory is short. It reports when memory,
// or descriptors, become short and suffice again.
type Evictor struct {
	governor    *idle.Governor
	descriptors Descriptors
	logger      *slog.Logger
	memory      func() (used, limit uint64)
	files       func() observe.Usage
	// collect runs a garbage collection and returns memory to the system. Evicted
	// connections give no memory back before it, and it may free enough by itself.
	collect func()
	stop    context.CancelFunc
	done    chan struct{}

	// Reasons for /readyz, as of the last look.
	memoryIs, descriptorsAre atomic.Pointer[string] // nil: enough

	// owned by the goroutine
	collectAt time.Time // not before
	censusAt  time.Time
	evicted   int       // for want of memory, since that began
	begun     sums      // of descriptors, when they became short
	last      sums      // at the last look
	shortAt   time.Time // when something was last evicted or refused for want of them
}

// sums are what was evicted and refused for want of descriptors.
type sums struct{ evicted, refused uint64 }

// NewEvictor returns a running evictor; Close ends it.
func NewEvictor(g *idle.Governor, d Descriptors, logger *slog.Logger, p *observe.Process) *Evictor {
	ctx, stop := context.WithCancel(context.Background())
	r := &Evictor{
		governor: g, descriptors: d, logger: logger, memory: p.Memory, files: p.Usage, collect: debug.FreeOSMemory,
		stop: stop, done: make(chan struct{}),
	}
	go func() { // Close waits for it
		defer close(r.done)
		tick := time.NewTicker(evictorEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.look(time.Now())
			}
		}
	}()
	return r
}

// Close ends the evictor and waits for it.
func (r *Evictor) Close() {
	r.stop()
	<-r.done
}

func (r *Evictor) look(now time.Time) {
	r.lookAtMemory(now)
	if !now.Before(r.censusAt) {
		r.censusAt = now.Add(censusEvery)
		r.lookAtDescriptors(now)
	}
}

// lookAtMemory evicts an eighth of the connections at most, and looks again when
// they have been collected. Collecting takes a twentieth of the time at most.
func (r *Evictor) lookAtMemory(now time.Time) {
	full := r.full()
	bound := memoryShort
	if r.memoryIs.Load() != nil {
		bound = memoryEnough
	}
	if full >= bound && now.Before(r.collectAt) {
		return
	}
	if full >= bound {
		begun := time.Now()
		r.collect()
		r.collectAt = now.Add(max(time.Second, 20*time.Since(begun)))
		full = r.full()
	}
	if full < bound {
		r.memoryEnough()
		return
	}
	r.governor.SetTight(full >= memoryFull)
	n := r.governor.Shrink(max(r.governor.Open()/8, 16))
	r.evicted += n
	used, limit := r.memory()
	says := fmt.Sprintf("memory is short: %d of %d MB are used, idle connections are evicted", used>>20, limit>>20)
	if r.memoryIs.Swap(&says) == nil {
		r.logger.Warn("memory is short, idle connections are evicted", "used", used, "limit", limit, "evicted", n)
	}
}

func (r *Evictor) memoryEnough() {
	r.governor.SetTight(false)
	if r.memoryIs.Swap(nil) != nil {
		r.logger.Info("memory suffices again", "evicted", r.evicted)
		r.evicted = 0
	}
}

// full is how full memory is, in thousandths; 0 without a limit.
func (r *Evictor) full() int {
	used, limit := r.memory()
	if limit == 0 {
		return 0
	}
	return int(float64(used) / float64(limit) * 1000)
}

// lookAtDescriptors leaves to connections the descriptors that nothing else has.
func (r *Evictor) lookAtDescriptors(now time.Time) {
	g, d := r.governor, r.descriptors
	if u := r.files(); d.Limit > 0 && u.Files > 0 {
		connections, _ := g.Descriptors()
		g.SetDescriptors(d.beside(max(int(u.Files)-connections, 0)))
	}
	sum := sums{g.Evictions(idle.CauseDescriptors), g.Refusals(idle.CauseDescriptors)}
	if sum != r.last {
		r.shortAt = now
	}
	used, most := g.Descriptors()
	switch told := r.descriptorsAre.Load(); {
	case sum != r.last:
		says := fmt.Sprintf("descriptors are short: connections have %d of %d, idle ones are evicted", used, most)
		r.descriptorsAre.Store(&says)
		if told == nil {
			r.begun = r.last
			r.logger.Warn("descriptors are short, idle connections are evicted", "connections", used, "room", most,
				"descriptors", d.Limit, "evicted", sum.evicted-r.begun.evicted, "refused", sum.refused-r.begun.refused,
				"hint", "raise the limit of open files (ulimit -n, LimitNOFILE)")
		}
	case told != nil && now.Sub(r.shortAt) >= calmAfter:
		r.descriptorsAre.Store(nil)
		g.Calm()
		r.logger.Info("descriptors suffice again",
			"evicted", sum.evicted-r.begun.evicted, "refused", sum.refused-r.begun.refused)
	}
	r.last = sum
}

// Reasons says what is short, one reason each.
func (r *Evictor) Reasons() (reasons []string) {
	for _, p := range []*atomic.Pointer[string]{&r.memoryIs, &r.descriptorsAre} {
		if s := p.Load(); s != nil {
			reasons = append(reasons, *s)
		}
	}
	return reasons
}
