package v1

import (
	"container/list"
	"sync"
	"time"
)

// Limiter holds many to a rate, each with a bucket that is full at first. Its
// table is bounded: who has not been seen for longest is forgotten. It is safe
// for concurrent use.
type Limiter struct {
	rate, burst float64
	size        int

	mu     sync.Mutex               // guards the following fields
	byKey  map[string]*list.Element // of *bucket
	recent *list.List               // the same, the last one seen first
}

type bucket struct {
	key    string
	tokens float64
	at     time.Time // when tokens was true
}

// NewLimiter returns a limiter to rate a second, burst at once, for as many as
// size at a time; all are above 0.
func NewLimiter(rate float64, burst, size int) *Limiter {
	return &Limiter{rate: rate, burst: float64(burst), size: size, byKey: map[string]*list.Element{}, recent: list.New()}
}

// Take takes one of key's. If there is none it takes nothing, and returns how
// long it is until there is.
func (l *Limiter) Take(now time.Time, key string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketLocked(now, key)
	b.tokens = l.level(b, now)
	b.at = now
	if b.tokens < 1 {
		return l.until(b.tokens)
	}
	b.tokens--
	return 0
}

// Charge takes n of key's, also those that are not there yet: until they are,
// Take takes none.
func (l *Limiter) Charge(now time.Time, key string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketLocked(now, key)
	b.tokens, b.at = l.level(b, now)-float64(n), now
}

// Wait returns how long it is until Take takes one; 0: it would now.
func (l *Limiter) Wait(now time.Time, key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byKey[key]
	if e == nil {
		return 0
	}
	if level := l.level(e.Value.(*bucket), now); level < 1 {
		return l.until(level)
	}
	return 0
}

func (l *Limiter) level(b *bucket, now time.Time) float64 {
	return min(b.tokens+l.rate*max(now.Sub(b.at), 0).Seconds(), l.burst)
}

// until rounds up: one nanosecond too early would be refused again.
func (l *Limiter) until(level float64) time.Duration {
	return time.Duration((1-level)/l.rate*float64(time.Second)) + 1
}

func (l *Limiter) bucketLocked(now time.Time, key string) *bucket {
	if e := l.byKey[key]; e != nil {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if len(l.byKey) >= l.size {
		oldest := l.recent.Back()
		l.recent.Remove(oldest)
		delete(l.byKey, oldest.Value.(*bucket).key)
	}
	b := &bucket{key: key, tokens: l.burst, at: now}
	l.byKey[key] = l.recent.PushFront(b)
	return b
}
