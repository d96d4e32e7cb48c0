// Package ratelimit holds many tenants or peers to a rate each.
package ratelimit

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter is a table of token buckets by key, each full at first. The table is
// bounded: the key that was used longest ago is forgotten. Safe for concurrent
// use.
type Limiter struct {
	rate        rate.Limit
	burst, size int

	mu     sync.Mutex               // guards the following fields
	byKey  map[string]*list.Element // of *bucket
	recent list.List                // the same, the last one used first
}

type bucket struct {
	*rate.Limiter
	key     string
	refused int // since the last that Allow allowed
}

// New returns a limiter to r a second and burst at once, for as many as size keys
// at a time; all are above 0.
func New(r rate.Limit, burst, size int) *Limiter {
	return &Limiter{rate: r, burst: burst, size: size, byKey: map[string]*list.Element{}}
}

// Allow takes one of key's tokens and returns how many calls were refused since
// the last that was not. ok is false if there is no token.
func (l *Limiter) Allow(now time.Time, key string) (refused int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketLocked(key)
	if l.until(b, now) > 0 {
		b.refused++
		return 0, false
	}
	b.AllowN(now, 1)
	refused, b.refused = b.refused, 0
	return refused, true
}

// Take takes one of key's tokens. If there is none it returns how long it is
// until there is.
func (l *Limiter) Take(now time.Time, key string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketLocked(key)
	if wait = l.until(b, now); wait == 0 {
		b.AllowN(now, 1)
	}
	return wait
}

// Charge takes n of key's tokens, also those that are not there yet: until they
// are, Take and Allow take none.
func (l *Limiter) Charge(now time.Time, key string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketLocked(key)
	for ; n > 0; n -= l.burst {
		b.ReserveN(now, min(n, l.burst))
	}
}

// Wait returns how long it is until Take takes a token; 0: it would now.
func (l *Limiter) Wait(now time.Time, key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.byKey[key]; e != nil {
		return l.until(e.Value.(*bucket), now)
	}
	return 0
}

// Forget gives key a full bucket.
func (l *Limiter) Forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.byKey[key]; e != nil {
		l.recent.Remove(e)
		delete(l.byKey, key)
	}
}

// Len returns how many keys are remembered.
func (l *Limiter) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byKey)
}

// until returns how long it is until b has a token; 0: it has. It rounds up, while
// rate.Limiter allows a nanosecond too early.
func (l *Limiter) until(b *bucket, now time.Time) time.Duration {
	tokens := b.TokensAt(now)
	if tokens >= 1 {
		return 0
	}
	return time.Duration((1-tokens)/float64(l.rate)*float64(time.Second)) + 1
}

func (l *Limiter) bucketLocked(key string) *bucket {
	if e := l.byKey[key]; e != nil {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if len(l.byKey) >= l.size {
		oldest := l.recent.Back()
		l.recent.Remove(oldest)
		delete(l.byKey, oldest.Value.(*bucket).key)
	}
	b := &bucket{Limiter: rate.NewLimiter(l.rate, l.burst), key: key}
	l.byKey[key] = l.recent.PushFront(b)
	return b
}
