package worker

import (
	"context"
	"sync"
)

// spare is a process that is kept ready, so that a worker that ends costs its
// guests no start.
type spare struct {
	pool *Pool

	mu       sync.Mutex // guards the following
	ready    Process
	starting bool
	drops    int // so far
	closed   bool
}

// take returns a process, at once if one is ready, and has the next one started.
func (s *spare) take(ctx context.Context) (Process, error) {
	s.mu.Lock()
	process := s.ready
	s.ready = nil
	s.mu.Unlock()
	if process != nil {
		select {
		case <-process.Ended():
			_ = process.Close()
			process = nil
		default:
		}
	}
	var err error
	if process == nil {
		if process, err = s.pool.cfg.Start(ctx, s.pool.say); err != nil {
			return nil, err
		}
	}
	s.fill()
	return process, nil
}

// fill starts a process in the background.
func (s *spare) fill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting || s.closed || s.ready != nil {
		return
	}
	s.starting = true
	drops := s.drops
	s.pool.behind.Go(func() { s.start(drops) })
}

// start starts a process, unless it is dropped meanwhile.
func (s *spare) start(drops int) {
	process, err := s.pool.cfg.Start(s.pool.life, s.pool.say)
	if err == nil && !s.put(process, drops) {
		discard(process)
	} // else whoever needs one will say why there is none
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = false
}

// put keeps a process, unless it is not wanted any more.
func (s *spare) put(process Process, drops int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.drops != drops {
		return false
	}
	s.ready = process
	return true
}

// drop ends the process, also if it is being started: no worker needs it.
func (s *spare) drop() {
	s.mu.Lock()
	process := s.ready
	s.ready = nil
	s.drops++
	s.mu.Unlock()
	if process != nil {
		discard(process)
	}
}

// discard ends a process that has served nobody.
func discard(process Process) {
	process.Kill()
	<-process.Ended()
	_ = process.Close()
}

func (s *spare) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.drop()
}
