package idle

import (
	"sync"
	"time"

	"idlehost/host/internal/wheel"
)

// timed is what a shard's wheel holds: connections and streams.
type timed interface {
	// expire looks at what is due and reschedules itself if it is not. It
	// runs on the shard's goroutine, without the shard's lock.
	expire(now int64, q *question)
}

type entry = wheel.Entry[timed]

// shard is one timing wheel and the goroutine that serves it.
type shard struct {
	clock *clock
	kick  chan struct{} // wakes the goroutine before its time
	stop  chan struct{}
	done  chan struct{}

	mu     sync.Mutex // guards the following; a Conn's mu may be held, never taken
	wheel  *wheel.Wheel[timed]
	wakeAt int64    // when the goroutine looks next
	due    []*entry // out of the wheel to be looked at; those of one turn
}

func newShard(k *clock, step int64) *shard {
	return &shard{
		clock: k, wheel: wheel.New[timed](step), wakeAt: wheel.Never,
		kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// close stops the goroutine and waits for it.
func (s *shard) close() {
	close(s.stop)
	<-s.done
}

// schedule makes e due at at, waking the goroutine if it would sleep past it.
func (s *shard) schedule(e *entry, at int64) {
	s.mu.Lock()
	s.wheel.Schedule(e, at)
	early := s.wheel.Due(e) < s.wakeAt
	if early {
		s.wakeAt = s.wheel.Due(e)
	}
	s.mu.Unlock()
	if early {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// scheduleBy makes e due no later than at: the lazy form, which leaves an
// earlier look in place.
func (s *shard) scheduleBy(e *entry, at int64) {
	s.mu.Lock()
	due := s.wheel.Due(e)
	s.mu.Unlock()
	if at < due {
		s.schedule(e, at)
	}
}

func (s *shard) cancel(e *entry) {
	s.mu.Lock()
	s.wheel.Cancel(e)
	s.mu.Unlock()
}

// serve is the shard's goroutine; close ends it.
func (s *shard) serve() {
	defer close(s.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	q := newQuestion()
	q.turn = newTurn()
	for {
		now := s.clock.now()
		s.mu.Lock()
		clear(s.due)
		// Those that were put off come last: others have become due since.
		late := q.turn.begin()
		s.due = append(s.wheel.Advance(now, s.due[:0]), late...)
		due := s.due
		s.wakeAt = s.wheel.Next()
		wait := s.wakeAt - now
		if len(due) > 0 {
			s.wakeAt = 0 // looks again at once: nobody needs to kick
		}
		s.mu.Unlock()
		if len(due) > 0 {
			for _, e := range due {
				e.Owner.expire(now, q)
			}
			continue
		}
		timer.Reset(time.Duration(min(wait, int64(time.Hour))))
		select {
		case <-timer.C:
		case <-s.kick:
		case <-s.stop:
			return
		}
	}
}

// conns appends every connection of the shard to list, once, and some that have
// just been closed. Thousands may be due, and out of the wheel, at one time.
func (s *shard) conns(list []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	add := func(e *entry) bool {
		if c, ok := e.Owner.(*Conn); ok {
			list = append(list, c)
		}
		return true
	}
	s.wheel.Each(add)
	for _, e := range s.due {
		if s.wheel.Due(e) == wheel.Never { // it has not been put back
			add(e)
		}
	}
	return list
}
