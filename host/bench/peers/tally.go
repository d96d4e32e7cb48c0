package main

import (
	"slices"
	"sync"
	"time"
)

// tally collects how long exchanges took, and how many failed.
type tally struct {
	took []time.Duration // by exchange; each is written by one goroutine

	mu     sync.Mutex // guards the following
	failed int
	first  error
}

func newTally(n int) *tally { return &tally{took: make([]time.Duration, n)} }

func (t *tally) add(i int, took time.Duration, err error) {
	if err == nil {
		t.took[i] = took
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed++; t.first == nil {
		t.first = err
	}
}

// report sums up, when all have been added. Its error is the first that was
// added.
func (t *tally) report() (report, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.took)
	good := t.took[t.failed:] // a failure counts as zero
	r := report{Failed: t.failed}
	if n := len(good); n > 0 {
		r.P50, r.P99 = good[(n-1)/2], good[(n-1)*99/100]
	}
	return r, t.first
}

// last is the longest, once report has been called.
func (t *tally) last() time.Duration {
	if len(t.took) == 0 {
		return 0
	}
	return t.took[len(t.took)-1]
}
