package v1

import (
	"container/list"
	"sync"
	"time"
)

// Ration holds many to a rate, each with a bucket that is full at first. Its
// table is bounded: who has not been seen for longest is forgotten. It is safe
// for concurrent use.
type Ration struct {
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

// NewRation returns a ration of rate a second, burst at once, for as many as
// size at a time; all are above 0.
func NewRation(rate float64, burst, size int) *Ration {
	return &Ration{rate: rate, burst: float64(burst), size: size, byKey: map[string]*list.Element{}, recent: list.New()}
}

// Take takes one of key's. If there is none it takes nothing, and returns how
// long it is until there is.
func (r *Ration) Take(now time.Time, key string) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucketLocked(now, key)
	b.tokens = r.level(b, now)
	b.at = now
	if b.tokens < 1 {
		return r.until(b.tokens)
	}
	b.tokens--
	return 0
}

// Charge takes n of key's, also those that are not there yet: until they are,
// Take takes none.
func (r *Ration) Charge(now time.Time, key string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucketLocked(now, key)
	b.tokens, b.at = r.level(b, now)-float64(n), now
}

// Wait returns how long it is until Take takes one; 0: it would now.
func (r *Ration) Wait(now time.Time, key string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byKey[key]
	if e == nil {
		return 0
	}
	if level := r.level(e.Value.(*bucket), now); level < 1 {
		return r.until(level)
	}
	return 0
}

func (r *Ration) level(b *bucket, now time.Time) float64 {
	return min(b.tokens+r.rate*max(now.Sub(b.at), 0).Seconds(), r.burst)
}

// until rounds up: one nanosecond too early would be refused again.
func (r *Ration) until(level float64) time.Duration {
	return time.Duration((1-level)/r.rate*float64(time.Second)) + 1
}

func (r *Ration) bucketLocked(now time.Time, key string) *bucket {
	if e := r.byKey[key]; e != nil {
		r.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if len(r.byKey) >= r.size {
		oldest := r.recent.Back()
		r.recent.Remove(oldest)
		delete(r.byKey, oldest.Value.(*bucket).key)
	}
	b := &bucket{key: key, tokens: r.burst, at: now}
	r.byKey[key] = r.recent.PushFront(b)
	return b
}
