package worker

import (
	"runtime"
	"sync"
	"time"

	"idlehost/host/internal/fair"
)

// tenth is what suspects get of the processors, all workers of theirs together.
type tenth struct {
	mu   sync.Mutex // guards the following field
	left fair.Allowance
}

// newTenth returns a tenth of the processors, of which little can be saved up, so
// that suspects hold nobody up for long.
func newTenth() tenth {
	return tenth{left: fair.NewAllowance(5*time.Millisecond, time.Duration(runtime.GOMAXPROCS(0))*time.Second/10)}
}

func (t *tenth) overdrawn(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left.Overdrawn(now)
}

func (t *tenth) use(now time.Time, cpu time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left.Use(now, cpu)
}

// mostCells is how many suspects have a worker each: those that seem to have ended
// one, so that the next ending is nobody else's. Others share one.
const mostCells = 8

// cellLocked returns the worker of a suspect that seems to have ended others.
func (p *Pool) cellLocked(g *Guest) *worker {
	if w := p.cells[g]; w != nil {
		return w
	}
	if len(p.cells) >= mostCells && !p.freeCellLocked() {
		return p.aloneLocked(Suspects)
	}
	w := newWorker(p, Suspects, "")
	p.cells[g] = w
	return w
}

// freeCellLocked takes the worker of a suspect that is not in it.
func (p *Pool) freeCellLocked() bool {
	for g := range p.cells {
		if g.phase == absent && g.loading == nil && len(g.waiting) == 0 {
			p.assignLocked(g, p.aloneLocked(Suspects))
			return true
		}
	}
	return false
}

// leaveCellLocked ends the worker of a suspect that is there no more.
func (p *Pool) leaveCellLocked(g *Guest, w *worker) {
	if p.cells[g] == w {
		delete(p.cells, g)
		w.closeLocked()
	}
}

// releaseSuspectsLocked has those come back whose term is over, unless they are
// as slow as ever.
func (p *Pool) releaseSuspectsLocked() {
	for _, w := range p.workersLocked() {
		if w.kind != Suspects {
			continue
		}
		for g := range w.guests {
			switch {
			case g.record.suspected():
			case g.window.mean() > slow:
				g.record.accuse()
			default:
				g.record.ended = false
				p.rehouseLocked(g, "its time among the suspects is over")
			}
		}
	}
}
