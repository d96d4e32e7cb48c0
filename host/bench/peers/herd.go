package main

import (
	"errors"
	"sync"
	"time"
)

// herd is the idle connections of a process.
type herd struct{ peers []peer }

// opening is how many connections are being opened at a time: a queue of
// connections that nobody has accepted must not overflow.
const opening = 32

// open adds n connections. It goes on after failures.
func (h *herd) open(d *dialer, n int, ask bool) (report, error) {
	begun := time.Now()
	fresh := make([]peer, n)
	t := newTally(n)
	spread(n, opening, func(i int) {
		p, err := d.open()
		if err == nil && ask {
			err = p.Ask()
		}
		fresh[i] = p
		t.add(i, 0, err)
	})
	for _, p := range fresh {
		if p != nil {
			h.peers = append(h.peers, p)
		}
	}
	r, err := t.report()
	r.Took = time.Since(begun)
	return r, err
}

// burst asks on every connection at once. The times count from start.
func (h *herd) burst(start time.Time) (report, error) {
	t := newTally(len(h.peers))
	var wg sync.WaitGroup
	gun := make(chan struct{})
	for i, p := range h.peers {
		wg.Go(func() {
			<-gun
			err := p.Ask()
			t.add(i, time.Since(start), err)
		})
	}
	time.Sleep(time.Until(start))
	close(gun)
	wg.Wait()
	r, err := t.report()
	r.Took = t.last()
	return r, err
}

// askEach asks on every connection, a few at a time.
func (h *herd) askEach() (report, error) {
	t := newTally(len(h.peers))
	spread(len(h.peers), opening, func(i int) { t.time(i, h.peers[i].Ask) })
	return t.report()
}

func (h *herd) close() error {
	var errs []error
	for _, p := range h.peers {
		errs = append(errs, p.Close())
	}
	h.peers = nil
	return errors.Join(errs...)
}

// spread calls f for 0 to n-1 from that many goroutines, and returns when all
// calls have.
func spread(n, workers int, f func(i int)) {
	var wg sync.WaitGroup
	for w := range min(workers, n) {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}
