package overload

import (
	"runtime/debug"
	"time"
)

const (
	// sweepEvery is how often the sweeper looks.
	sweepEvery = time.Second
	// sweepWorth is how many more connections have to be parked, or stripped, or
	// policies loaded, than at the last sweep: what each leaves behind is 1 to
	// 30 KB.
	sweepWorth = 64
	// sweepLate is how many looks a sweep waits for a wave to end, at most.
	sweepLate = 10
)

// Sweeper gives memory back to the system. A connection that is parked leaves a
// goroutine's stack, buffers and a request behind, a policy that is loaded its
// module and what reads it, and a host that is quiet
// from then on would keep them: Go collects when the heap has grown, or after
// two minutes, and returns what is free little by little.
type Sweeper struct {
	parked func() int // parked connections, once more those stripped, and loads so far
	sweep  func()
	stop   chan struct{}
	done   chan struct{}

	// owned by the goroutine
	swept   int // parked at the last sweep, or fewer since
	before  int // parked at the last look
	waiting int // looks at which a sweep was worth it
}

// NewSweeper returns a running sweeper; Close ends it.
func NewSweeper(parked func() int) *Sweeper {
	s := &Sweeper{parked: parked, sweep: debug.FreeOSMemory, stop: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s
}

// Close ends the sweeper and waits for it.
func (s *Sweeper) Close() {
	close(s.stop)
	<-s.done
}

func (s *Sweeper) run() {
	defer close(s.done)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.look()
		case <-s.stop:
			return
		}
	}
}

// look sweeps when enough has been parked and the wave of it has ended.
func (s *Sweeper) look() {
	n := s.parked()
	grew := n - s.before
	s.before = n
	s.swept = min(s.swept, n)
	if n-s.swept < sweepWorth {
		s.waiting = 0
		return
	}
	if s.waiting++; grew > sweepWorth && s.waiting < sweepLate {
		return
	}
	s.sweep()
	s.swept, s.waiting = n, 0
}
