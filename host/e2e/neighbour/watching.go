package neighbour

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Watching is a Watch that goes on.
type Watching struct {
	watch   Watch
	stop    context.CancelFunc
	running sync.WaitGroup
	clients []*client
}

// client is one of the clients of a Watch.
type client struct {
	mu   sync.Mutex // guards the following
	list []event    // that have ended
	now  *event     // that has not
}

// event is a request, or the close of a connection that was idle.
type event struct {
	due    time.Time // of a request, when it was made
	took   time.Duration
	closes bool
	err    error
}

func (c *client) begin(due time.Time, closes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = &event{due: due, closes: closes}
}

// end ends what was begun. What the end of the watch has ended is not counted.
func (c *client) end(ctx context.Context, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.took, c.now.err = time.Since(c.now.due), err
	if ctx.Err() == nil {
		c.list = append(c.list, *c.now)
	}
	c.now = nil
}

// Stop ends the clients.
func (on *Watching) Stop() {
	on.stop()
	on.running.Wait()
}

// Between tells what was due between two moments, when all of it has come or
// has been waited for.
func (on *Watching) Between(from, to time.Time) Seen {
	pause(context.Background(), to)
	for give := time.Now().Add(2 * patience); on.waits(from, to) && time.Now().Before(give); {
		pause(context.Background(), time.Now().Add(time.Millisecond))
	}
	return on.seen(from, to)
}

// Forget drops what was due before a moment.
func (on *Watching) Forget(before time.Time) {
	for _, c := range on.clients {
		c.mu.Lock()
		c.list = slices.DeleteFunc(c.list, func(e event) bool { return e.due.Before(before) })
		c.mu.Unlock()
	}
}

func (e *event) between(from, to time.Time) bool { return !e.due.Before(from) && e.due.Before(to) }

// waits reports whether something that was due has not come.
func (on *Watching) waits(from, to time.Time) bool {
	return slices.ContainsFunc(on.clients, func(c *client) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.now != nil && c.now.between(from, to)
	})
}

// seen is what has come, and how long what has not was waited for until now.
func (on *Watching) seen(from, to time.Time) (s Seen) {
	for _, c := range on.clients {
		c.mu.Lock()
		for _, e := range c.list {
			if e.between(from, to) {
				s.add(e)
			}
		}
		if c.now != nil && c.now.between(from, to) {
			s.late(*c.now, time.Since(c.now.due))
		}
		c.mu.Unlock()
	}
	slices.Sort(s.Took)
	slices.Sort(s.Late)
	return s
}

func (s *Seen) add(e event) {
	s.late(e, e.took)
	switch {
	case e.err != nil:
		s.Failed++
		s.Err = e.err
	case e.closes:
		s.Closed++
	default:
		s.Answered++
	}
}

func (s *Seen) late(e event, d time.Duration) {
	if e.closes {
		s.Late = append(s.Late, d)
	} else {
		s.Took = append(s.Took, d)
	}
}
